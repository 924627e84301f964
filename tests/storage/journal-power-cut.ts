/**
 * Power cuts of a file journal, as far as one can play them: the writing process is killed, and then what the disk had not
 * been asked to keep is taken away or spoiled. What was acknowledged must be there, in order.
 */
import { spawn } from 'node:child_process'
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { silentLog } from '#contract/log-events'
import { openFileJournal } from '#storage/journal/file-journal'
import { MARK_BYTES, markedBytes, markOf } from '#storage/journal/frames'
import { positionAt } from '#storage/journal/record-codec'
import { readAll, textOf } from './journal-under-test.ts'

export type PowerCuts = {
  readonly acknowledgedCount: number
  /** Records that are there although nobody was told so: allowed, and few. */
  readonly unaskedCount: number
  readonly spoiledBytes: number
  /** Acknowledged and gone. Must be empty. */
  readonly lost: readonly string[]
  /** Acknowledged in another order than they are read. Must be true. */
  readonly isInOrder: boolean
  /** Commits that were confirmed and forgotten. Must be 0. */
  readonly forgottenCommitCount: number
}

type Said = { readonly acknowledged: string[]; committed: number }
const SLOT_BYTES = 4096

/** Writes in another process until it is killed at some moment, and gives back what was acknowledged by then. */
async function writeUntilKilled(folder: string, round: number, chance: () => number): Promise<Said> {
  const args = ['--import', 'tsx', 'tests/storage/journal-child.ts', folder, String(round)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<string>((resolve) => child.once('exit', (code, signal) => resolve(String(signal ?? code))))
  const countMax = 1 + Math.floor(chance() * 2_000)
  const said: Said = { acknowledged: [], committed: 0 }
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^\d+ \d+-\d+$/.test(line)) said.acknowledged.push(line)
    const committed = /^committed (\d+)$/.exec(line)?.[1]
    if (committed !== undefined) said.committed = Math.max(said.committed, Number(committed))
    count += 1
    if (count === countMax) setTimeout(() => child.kill('SIGKILL'), chance() * 20)
  }
  const how = await exited
  if (how !== 'SIGKILL') throw new Error(`the writer ended by itself: ${how}`)
  return said
}

/** What may stand where the disk had not written yet. */
function leftOver(kept: Buffer, bytes: number, chance: () => number): Buffer {
  const kind = Math.floor(chance() * 4)
  if (kind === 0) return Buffer.alloc(0)
  if (kind === 1) return Buffer.alloc(bytes)
  // Blocks of what was written earlier, marks and checksums and all.
  if (kind === 2) return Buffer.from(kept.subarray(Math.floor(chance() * kept.length)).subarray(0, bytes))
  return Buffer.from(Array.from({ length: bytes }, () => Math.floor(chance() * 256)))
}

/** Cuts the last segment somewhere behind the newest acknowledged record. Returns how many bytes were spoiled. */
async function spoilSegment(folder: string, acknowledged: number, chance: () => number): Promise<number> {
  const name = (await readdir(folder))
    .filter((each) => each.endsWith('.journal2'))
    .sort()
    .at(-1)
  if (name === undefined) return 0
  const path = join(folder, name)
  const bytes = await readFile(path)
  const mark = markOf(Buffer.from(name.slice(17, 33), 'hex'))
  let syncedAt = 0
  for (let at = 0; at < bytes.length;) {
    const frame = markedBytes(bytes, at, bytes.length, mark)
    if (frame <= 0 || positionAt(bytes, at + MARK_BYTES) > acknowledged) break
    syncedAt = at += frame
  }
  const cutAt = syncedAt + Math.floor(chance() * (bytes.length - syncedAt + 1))
  const kept = bytes.subarray(0, cutAt)
  const rest = leftOver(kept, Math.floor(chance() * 20_000), chance)
  // A name that was not synced either.
  if (syncedAt === 0 && chance() < 0.3) await rm(path)
  else await writeFile(path, Buffer.concat([kept, rest]))
  return bytes.length - cutAt
}

/** Spoils the slot of the position that a commit may have been writing. */
async function spoilPosition(folder: string, committed: number): Promise<void> {
  const file = await open(join(folder, 'detect.position'), 'r+').catch(() => undefined)
  if (file === undefined) return
  try {
    const buffer = Buffer.alloc(2 * SLOT_BYTES)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    if (bytesRead < buffer.length) return
    const positions = [0, 1].map((slot) => Number(buffer.readBigUInt64LE(slot * SLOT_BYTES)))
    const newest = (positions[1] ?? 0) > (positions[0] ?? 0) ? 1 : 0
    const older = 1 - newest
    // The newest may be unsynced only when what was confirmed does not need it.
    const spoiled = (positions[newest] ?? 0) > committed && (positions[older] ?? 0) >= committed ? newest : older
    await file.write(Buffer.from('spoiled'), 0, 7, spoiled * SLOT_BYTES)
  } finally {
    await file.close()
  }
}

/** One journal, cut off `roundCount` times, each time written on where it was left. `chance` is in [0, 1). */
export async function powerCuts(o: { folder: string; roundCount: number; chance: () => number }): Promise<PowerCuts> {
  const acknowledged: string[] = []
  let committed = 0
  let spoiledBytes = 0
  let forgottenCommitCount = 0
  for (let round = 0; round < o.roundCount; round += 1) {
    const said = await writeUntilKilled(o.folder, round, o.chance)
    acknowledged.push(...said.acknowledged)
    committed = Math.max(committed, said.committed)
    spoiledBytes += await spoilSegment(o.folder, Number(acknowledged.at(-1)?.split(' ')[0] ?? 0), o.chance)
    await spoilPosition(o.folder, committed)
    await using journal = await openFileJournal(o.folder, { log: silentLog, segmentBytesMax: 64 * 1024 })
    if (journal.status().committed.detect < committed) forgottenCommitCount += 1
  }
  await using journal = await openFileJournal(o.folder, { log: silentLog })
  await using reader = await journal.reader('detect', { after: 0 })
  const keptAt = new Map<string, number>()
  for (const record of await readAll(reader, { waitMs: 100 }))
    keptAt.set(`${record.position} ${textOf(record).replace(/\.+$/, '')}`, keptAt.size)
  const order = acknowledged.map((line) => keptAt.get(line) ?? -1).filter((at) => at >= 0)
  return {
    acknowledgedCount: acknowledged.length,
    unaskedCount: keptAt.size - order.length,
    spoiledBytes,
    lost: acknowledged.filter((line) => !keptAt.has(line)),
    isInOrder: order.every((at, i) => i === 0 || at > (order[i - 1] ?? 0)),
    forgottenCommitCount,
  }
}
