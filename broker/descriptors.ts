/** How many files and sockets this process may have open. Sockets must leave some for the journal: without them nothing is acknowledged. */
import { readFile } from 'node:fs/promises'

/** For the stores, their servers, the view, and what the program itself has open. */
const DESCRIPTORS_KEPT = 500

/** Connections that fit, or undefined where the system does not say (it does on Linux, in `/proc/self/limits`). */
export async function connectionsThatFit(): Promise<number | undefined> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? NaN)
  return Number.isNaN(soft) ? undefined : Math.max(1, soft - DESCRIPTORS_KEPT)
}
