/** One process at a time may have a journal folder open. The lock file names the process; one that is gone has no claim. */
import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

type Owner = { readonly pid: number; readonly bootId: string; readonly startTicks: string; readonly token: string }

/**
 * When the process started, in clock ticks since the machine did (field 22 of `/proc/<pid>/stat`). Together with the boot
 * it tells a process from a later one with the same pid, which is the rule in containers, where the pid is always 1.
 */
async function startTicksOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

const bootIdOf = () =>
  readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => '',
  )

/** Without `/proc` there is only the pid to go by. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.bootId !== (await bootIdOf())) return false
  if (owner.startTicks === '') return isRunning(owner.pid)
  return (await startTicksOf(owner.pid)) === owner.startTicks
}

/** The owner that the lock file names; undefined when there is none or the file was torn by a crash. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof owner !== 'object' || owner === null) return undefined
    const { pid, bootId, startTicks, token } = owner as Record<string, unknown>
    if (typeof pid !== 'number' || typeof bootId !== 'string') return undefined
    if (typeof startTicks !== 'string' || typeof token !== 'string') return undefined
    return { pid, bootId, startTicks, token }
  } catch {
    return undefined
  }
}

/** Takes the folder, or throws a sentence that says who has it. Disposing gives it back. */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const path = join(folder, 'lock')
  const held = await readOwner(path)
  if (held !== undefined && (await isAlive(held)))
    throw new Error(`the journal in ${folder} is already open in process ${held.pid}; stop it or use another folder`)
  const startTicks = (await startTicksOf(process.pid)) ?? ''
  const owner: Owner = { pid: process.pid, bootId: await bootIdOf(), startTicks, token: randomUUID() }
  const temporary = `${path}.${owner.token}`
  await writeFile(temporary, JSON.stringify(owner))
  await rename(temporary, path)
  // Two that took over at the same moment both renamed; only the last one reads its own token.
  if ((await readOwner(path))?.token !== owner.token)
    throw new Error(`the journal in ${folder} was opened by another process at the same moment`)
  return {
    async [Symbol.asyncDispose]() {
      if ((await readOwner(path))?.token === owner.token) await rm(path, { force: true })
    },
  }
}
