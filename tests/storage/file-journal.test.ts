import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { copyFile, mkdir, open, readdir, readFile, readlink, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openFileJournal, type FileJournalOptions } from '#storage/journal/file-journal'
import type { Journal } from '#storage/journal/journal'
import { tempFolder } from '../servers/temp-folder.ts'
import { append, appendAll, entry, listeningLog, readAll, textOf, until } from './journal-under-test.ts'

const run = promisify(execFile)
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `message ${from + i}`)
const segmentsOf = async (folder: string) =>
  (await readdir(folder)).filter((name) => /\.journal[12]$/.test(name)).sort()

async function flipByte(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, offset)
  byte.writeUInt8(byte.readUInt8(0) ^ 0xff)
  await file.write(byte, 0, 1, offset)
  await file.close()
}

async function allOf(journal: Journal): Promise<string[]> {
  await using reader = await journal.reader('detect', { after: 0 })
  return (await readAll(reader, { waitMs: 50 })).map(textOf)
}

/** With which flags this process has files open whose names end so. */
async function flagsOfOpen(ending: string): Promise<number[]> {
  const flags: number[] = []
  for (const descriptor of await readdir('/proc/self/fd')) {
    const path = await readlink(`/proc/self/fd/${descriptor}`).catch(() => '')
    if (!path.endsWith(ending)) continue
    const text = /^flags:\s*(\d+)/m.exec(await readFile(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1]
    flags.push(Number.parseInt(text ?? '', 8))
  }
  return flags
}

describe('file journal', () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>
  let folder: string
  const openAt = (o: Partial<FileJournalOptions> = {}, path = folder) =>
    openFileJournal(path, { log: silentLog, retryMs: 50, reserveBytes: 256 * 1024, ...o })
  beforeEach(async () => {
    temp = await tempFolder('file-journal')
    folder = join(temp.path, 'journal')
  })
  afterEach(() => temp[Symbol.asyncDispose]())

  it('cuts off a torn tail wherever it is torn, and keeps every record before it', { timeout: 120_000 }, async () => {
    let bytes: number
    {
      await using journal = await openAt()
      await appendAll(journal, numbered(3))
      bytes = journal.status().bytes
      await append(journal, 'torn')
    }
    const [name = ''] = await segmentsOf(folder)
    const whole = (await stat(join(folder, name))).size
    for (let end = bytes; end < whole; end += 1) {
      const torn = join(temp.path, `torn-${end}`)
      await mkdir(torn)
      await copyFile(join(folder, name), join(torn, name))
      await truncate(join(torn, name), end)
      const log = listeningLog()
      await using journal = await openAt({ log }, torn)
      expect(log.events.includes('journal.tornTail')).toBe(end > bytes)
      expect((await stat(join(torn, name))).size).toBe(bytes)
      await append(journal, 'after')
      expect(await allOf(journal)).toEqual([...numbered(3), 'after'])
    }
  })

  it('cuts off zeros and rubbish behind the last record', async () => {
    {
      await using journal = await openAt()
      await append(journal, 'first')
    }
    const [name = ''] = await segmentsOf(folder)
    for (const rubbish of [Buffer.alloc(10_000), Buffer.from('not a record at all, whatever follows')]) {
      await writeFile(join(folder, name), rubbish, { flag: 'a' })
      await using journal = await openAt()
      await append(journal, 'good')
    }
    await using journal = await openAt()
    expect(await allOf(journal)).toEqual(['first', 'good', 'good'])
  })

  it('has every acknowledged record after kill -9, in order, round after round', { timeout: 120_000 }, async () => {
    const acknowledged: string[] = []
    for (let round = 0; round < 4; round += 1) {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', 'tests/storage/journal-child.ts', folder, String(round)],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      let count = 0
      for await (const line of createInterface({ input: child.stdout })) {
        if (/^\d+ \d+-\d+$/.test(line)) acknowledged.push(line)
        count += 1
        // Killed at a moment that nothing in the journal waits for; what is in the pipe was acknowledged and is read on.
        if (count === 700 + round * 911) child.kill('SIGKILL')
      }
      expect(child.signalCode ?? (await once(child, 'exit'))[1]).toBe('SIGKILL')
    }
    expect(acknowledged.length).toBeGreaterThan(4 * 700)
    await using journal = await openAt({ segmentBytesMax: 64 * 1024 })
    await using reader = await journal.reader('detect', { after: 0 })
    const kept = (await readAll(reader, { waitMs: 50 })).map(
      (record) => `${record.position} ${textOf(record).replace(/\.+$/, '')}`,
    )
    const keptAt = new Map(kept.map((line, index) => [line, index]))
    expect(acknowledged.filter((line) => !keptAt.has(line))).toEqual([])
    const order = acknowledged.map((line) => keptAt.get(line) ?? -1)
    expect(order).toEqual([...order].sort((a, b) => a - b))
  })

  it('reads on behind a damaged record of an older segment, and says so', async () => {
    const log = listeningLog()
    {
      await using journal = await openAt({ segmentBytesMax: 2_000 })
      for (const text of numbered(60)) await append(journal, text)
    }
    const [first = ''] = await segmentsOf(folder)
    const frame = Math.floor((await stat(join(folder, first))).size / 20)
    await flipByte(join(folder, first), frame * 2 + 40)
    await using journal = await openAt({ log, segmentBytesMax: 2_000 })
    const texts = await allOf(journal)
    expect(log.events).toContain('journal.damaged')
    expect(texts).toHaveLength(59)
    expect(numbered(60).filter((text) => texts.includes(text))).toEqual(texts)
  })

  it('goes on with the next segment when the rest of one cannot be read', async () => {
    const log = listeningLog()
    {
      await using journal = await openAt({ segmentBytesMax: 2_000 })
      for (const text of numbered(60)) await append(journal, text)
    }
    const [first = '', second = ''] = await segmentsOf(folder)
    const file = await open(join(folder, first), 'r+')
    await file.write(Buffer.alloc(400), 0, 400, 500)
    await file.close()
    await using journal = await openAt({ log, segmentBytesMax: 2_000 })
    await using reader = await journal.reader('detect', { after: 0 })
    const records = await readAll(reader, { waitMs: 50 })
    const behind = records.filter((record) => record.position >= Number(second.slice(0, 16)))
    expect(behind.length).toBeGreaterThan(0)
    expect(textOf(records.at(-1) ?? (entry('') as never))).toBe('message 59')
    expect(behind.at(-1)?.position).toBe(journal.status().lastPosition)
    expect(behind.length).toBe(journal.status().lastPosition - Number(second.slice(0, 16)) + 1)
    expect(log.events).toContain('journal.damaged')
  })

  it('reads on behind a damaged record of the last segment instead of cutting off what was acknowledged', async () => {
    {
      await using journal = await openAt()
      for (const text of numbered(10)) await append(journal, text)
    }
    const [name = ''] = await segmentsOf(folder)
    const frame = Math.floor((await stat(join(folder, name))).size / 10)
    await flipByte(join(folder, name), frame * 4 + 40)
    const log = listeningLog()
    await using journal = await openAt({ log })
    expect(log.events).toContain('journal.damaged')
    expect(log.events).not.toContain('journal.tornTail')
    await append(journal, 'after')
    expect(await allOf(journal)).toEqual([...numbered(10).filter((text) => text !== 'message 4'), 'after'])
  })

  it('never cuts off more than one write can tear', async () => {
    {
      await using journal = await openAt()
      await appendAll(journal, numbered(10))
    }
    const [name = ''] = await segmentsOf(folder)
    await writeFile(join(folder, name), Buffer.alloc(5 * 1024 * 1024), { flag: 'a' })
    const { size } = await stat(join(folder, name))
    {
      await using journal = await openAt()
      await append(journal, 'after')
      expect(await allOf(journal)).toEqual([...numbered(10), 'after'])
    }
    expect((await stat(join(folder, name))).size).toBe(size)
    expect(await segmentsOf(folder)).toHaveLength(2)
  })

  it('does not take a record for one when a device wrote it into its payload', async () => {
    const forged = join(temp.path, 'forged')
    {
      await using journal = await openAt({ nowMs: () => 9_000_000_000 }, forged)
      await append(journal, 'forged')
    }
    const [forgedName = ''] = await segmentsOf(forged)
    const payload = await readFile(join(forged, forgedName))
    {
      await using journal = await openAt({ nowMs: () => 8_000_000_000 })
      await new Promise((resolve) => journal.append({ ...entry(''), payload }, resolve))
      await append(journal, 'true')
    }
    const [name = ''] = await segmentsOf(folder)
    // The length of the enclosing record no longer leads anywhere.
    await flipByte(join(folder, name), 4)
    await using journal = await openAt()
    expect(await allOf(journal)).not.toContain('forged')
  })

  it('removes a segment only when both consumers are done with it', async () => {
    await using journal = await openAt({ segmentBytesMax: 2_000 })
    const positions: number[] = []
    for (const text of numbered(100)) positions.push(await append(journal, text))
    const count = (await segmentsOf(folder)).length
    expect(count).toBeGreaterThan(3)
    await using detect = await journal.reader('detect')
    await using telemetry = await journal.reader('telemetry')
    await detect.commit(positions.at(-1) ?? 0)
    expect(await segmentsOf(folder)).toHaveLength(count)
    await telemetry.commit(positions[49] ?? 0)
    const half = await segmentsOf(folder)
    expect(half.length).toBeLessThan(count)
    expect(half.length).toBeGreaterThan(1)
    expect((await readAll(telemetry, { waitMs: 50 })).map(textOf)).toEqual(expect.arrayContaining(numbered(50, 50)))
    await telemetry.commit(positions.at(-1) ?? 0)
    expect(await segmentsOf(folder)).toHaveLength(1)
    expect(journal.status().firstPosition).toBeGreaterThan(positions[49] ?? Infinity)
  })

  it('gives two consumers of different speed the same records, from memory and from disk', async () => {
    await using journal = await openAt({ segmentBytesMax: 512 * 1024 })
    await using fast = await journal.reader('detect')
    await using slow = await journal.reader('telemetry')
    const text = (i: number) => `${i}-`.padEnd(20_000, 'x')
    const seen = { fast: [] as string[], slow: [] as string[] }
    // 24 MB: more than is kept in memory, so the slow one ends up on disk and the fast one never does.
    for (let i = 0; i < 1_200; i += 100) {
      await appendAll(
        journal,
        Array.from({ length: 100 }, (_, n) => text(i + n)),
      )
      seen.fast.push(...(await readAll(fast, { count: 100 })).map(textOf))
      seen.slow.push(...(await slow.read({ countMax: 7, waitMs: 1_000 })).map(textOf))
    }
    seen.slow.push(...(await readAll(slow, { count: 1_200 - seen.slow.length })).map(textOf))
    const numbers = (texts: string[]) => texts.map((each) => Number(each.split('-')[0]))
    expect(numbers(seen.fast)).toEqual(Array.from({ length: 1_200 }, (_, i) => i))
    expect(numbers(seen.slow)).toEqual(Array.from({ length: 1_200 }, (_, i) => i))
  })

  it('refuses everything that waits when a write fails, says why, and goes on by itself when it can write again', async () => {
    const log = listeningLog()
    await using journal = await openAt({ log })
    await append(journal, 'before')
    const limit = (bytes: string) => run('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
    const told: string[] = []
    // Files of this process may not grow beyond this: writing stops in the middle of a record, with an error.
    await limit('100000')
    try {
      for (let i = 0; i < 300; i += 1)
        journal.append(entry(`${i}-`.padEnd(1_000, 'x')), (error) => void told.push(`${i} ${error === undefined}`))
      await until('all are told', () => told.length === 300)
      expect(told).toEqual(Array.from({ length: 300 }, (_, i) => `${i} false`))
      expect(journal.status().degraded).toContain('cannot be written')
      expect(journal.status().refusedCount).toBe(300)
      await expect(append(journal, 'meanwhile')).rejects.toThrow('cannot be written')
    } finally {
      await limit('unlimited')
    }
    await until('it recovers', () => journal.status().degraded === undefined)
    await append(journal, 'after')
    expect(log.events.filter((event) => event.startsWith('journal.'))).toEqual([
      'journal.opened',
      'journal.syncFailed',
      'journal.recovered',
    ])
    expect(await allOf(journal)).toEqual(['before', 'after'])
    await journal[Symbol.asyncDispose]()
    const reopened = listeningLog()
    await using again = await openAt({ log: reopened })
    expect(await allOf(again)).toEqual(['before', 'after'])
    expect(reopened.events).toEqual(['journal.opened'])
  })

  it('stays degraded while no segment can be begun, and takes messages when one can', async () => {
    await using journal = await openAt({ segmentBytesMax: 1_000 })
    let position = await append(journal, 'x'.repeat(900))
    // The next segment is named after the next position; a folder stands in its place.
    const [first = ''] = await segmentsOf(folder)
    const blocked = [1, 2, 3].map((i) => join(folder, `${String(position + i).padStart(16, '0')}${first.slice(16)}`))
    for (const path of blocked) await mkdir(path)
    await expect(append(journal, 'y'.repeat(900))).rejects.toThrow('cannot be written')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(journal.status().degraded).toContain('cannot be written')
    for (const path of blocked) await rm(path, { recursive: true })
    await until('it recovers', () => journal.status().degraded === undefined)
    position = await append(journal, 'after')
    expect(await allOf(journal)).toEqual(['x'.repeat(900), 'after'])
  })

  it('refuses at once when too much waits in memory', async () => {
    await using journal = await openAt({ waitingBytesMax: 10_000 })
    const told: string[] = []
    for (let i = 0; i < 20; i += 1)
      journal.append(entry('x'.repeat(1_000)), (error) => void told.push(error === undefined ? 'durable' : 'refused'))
    // Those beyond the bound heard it before the first was on disk.
    expect(new Set(told)).toEqual(new Set(['refused']))
    const refusedCount = told.length
    await until('all are told', () => told.length === 20)
    expect(told.filter((each) => each === 'refused')).toHaveLength(refusedCount)
    expect(journal.status().refusedCount).toBe(refusedCount)
    expect(await allOf(journal)).toHaveLength(20 - refusedCount)
  })

  it('keeps the last part of its size for urgent records, and takes everything again when consumers are done', async () => {
    const log = listeningLog()
    await using journal = await openAt({ bytesMax: 100_000, log })
    const urgent = (text: string) =>
      new Promise<string | undefined>((resolve) =>
        journal.append({ ...entry(text), isUrgent: true }, (error) => resolve(error?.message)),
      )
    const text = 'x'.repeat(1_000)
    for (let isRefused = false; !isRefused;)
      await append(journal, text).catch((error: Error) => {
        isRefused = true
        expect(error.message).toContain('the rest is for urgent records')
      })
    expect(journal.status().takes).toBe('urgent')
    expect(journal.status().degraded).toContain('nearly full')
    let count = 0
    for (let error = await urgent(text); error === undefined; error = await urgent(text)) count += 1
    expect(count).toBeGreaterThan(5)
    expect(journal.status().takes).toBe('nothing')
    expect(journal.status().degraded).toContain('is full')
    expect(log.events).toEqual(['journal.opened', 'journal.short', 'journal.degraded'])
    for (const consumer of ['detect', 'telemetry'] as const) {
      await using reader = await journal.reader(consumer)
      await reader.commit(journal.status().lastPosition)
    }
    expect(journal.status()).toMatchObject({ takes: 'all', degraded: undefined })
    await append(journal, text)
  })

  it('begins a new segment when the last is old, so that what every consumer is done with goes', async () => {
    let nowMs = 1_795_190_400_123
    await using journal = await openAt({ nowMs: () => nowMs, segmentAgeMsMax: 60_000 })
    await append(journal, 'old')
    nowMs += 59_000
    const second = await append(journal, 'also old')
    expect(await segmentsOf(folder)).toHaveLength(1)
    nowMs += 2_000
    const last = await append(journal, 'new')
    expect(await segmentsOf(folder)).toHaveLength(2)
    await using detect = await journal.reader('detect')
    await using telemetry = await journal.reader('telemetry')
    await detect.commit(last)
    expect(await segmentsOf(folder)).toHaveLength(2)
    await telemetry.commit(second)
    expect(await segmentsOf(folder)).toHaveLength(1)
    expect((await readAll(telemetry, { count: 3, waitMs: 50 })).map(textOf)).toContain('new')
  })

  it('tells when the oldest record came that a consumer still needs', async () => {
    const at = (receivedAtMs: number) =>
      new Promise<number>((resolve) =>
        journal.append({ ...entry('x'), receivedAtMs }, (_, position) => resolve(position)),
      )
    const nowMs = () => 5_000
    let journal = await openAt({ nowMs })
    try {
      expect(journal.status().oldestNeededAtMs).toBeUndefined()
      const first = await at(1_000)
      await at(2_000)
      const third = await at(3_000)
      await until('it is the first', () => journal.status().oldestNeededAtMs === 1_000)
      await using detect = await journal.reader('detect')
      await using telemetry = await journal.reader('telemetry')
      await detect.commit(third)
      await telemetry.commit(first)
      await until('it is the second', () => journal.status().oldestNeededAtMs === 2_000)
      await journal[Symbol.asyncDispose]()
      journal = await openAt({ nowMs })
      // From the disk, it is known by the segment.
      await until('it is known again', () => journal.status().oldestNeededAtMs === 1_000)
      await using again = await journal.reader('telemetry')
      await again.commit(third)
      await until('nothing is needed', () => journal.status().oldestNeededAtMs === undefined)
    } finally {
      await journal[Symbol.asyncDispose]()
    }
  })

  it('refuses a folder that is open, with a sentence', async () => {
    await using journal = await openAt()
    await append(journal, 'one')
    await expect(openAt()).rejects.toThrow(/JOURNAL_URL: the folder .* is in use by process \d+/)
  })

  it('keeps the position of a consumer when one of its two slots is torn', async () => {
    let positions: number[]
    {
      await using journal = await openAt()
      positions = await appendAll(journal, numbered(5))
      await using reader = await journal.reader('detect')
      await reader.commit(positions[1] ?? 0)
      await reader.commit(positions[3] ?? 0)
    }
    const path = join(folder, 'detect.position')
    const whole = await readFile(path)
    for (const slot of [0, 4096]) {
      const torn = Buffer.from(whole)
      torn.writeUInt8(torn.readUInt8(slot) ^ 0xff, slot)
      await writeFile(path, torn)
      await using journal = await openAt()
      expect([positions[1], positions[3]]).toContain(journal.status().committed.detect)
    }
    await writeFile(path, 'rubbish')
    const log = listeningLog()
    await using journal = await openAt({ log })
    expect(journal.status().committed.detect).toBe(0)
    expect(log.events).toContain('journal.damaged')
  })

  it('begins beyond every position of an earlier journal of the same place', async () => {
    let before: number
    {
      await using journal = await openAt({ nowMs: () => 1_795_190_400_000 })
      before = await append(journal, 'lost')
    }
    await rm(folder, { recursive: true })
    await using journal = await openAt({ nowMs: () => 1_795_190_400_001 })
    expect(await append(journal, 'new')).toBeGreaterThan(before)
  })

  it('writes so that what a write has returned for is on disk, in a new segment and in one that was there', async () => {
    for (const text of ['new', 'again']) {
      await using journal = await openAt()
      await append(journal, text)
      const flags = await flagsOfOpen('.journal2')
      expect(flags).toHaveLength(1)
      for (const each of flags) expect(each & constants.O_DSYNC).toBe(constants.O_DSYNC)
    }
  })

  it('hides no new record behind a position that a consumer remembers of lost ones', async () => {
    await using journal = await openAt()
    const last = await append(journal, 'one')
    await using reader = await journal.reader('detect', { after: last + 5_000 })
    expect(await append(journal, 'two')).toBeGreaterThan(last + 5_000)
    expect((await readAll(reader, { count: 1 })).map(textOf)).toEqual(['two'])
  })

  it('remembers the newest position when every record is dropped', async () => {
    let last: number
    {
      await using journal = await openAt({ segmentBytesMax: 1_000 })
      await append(journal, 'x'.repeat(900))
      last = await append(journal, 'y'.repeat(900))
      for (const consumer of ['detect', 'telemetry'] as const) {
        await using reader = await journal.reader(consumer)
        await reader.commit(last)
      }
    }
    for (const name of await segmentsOf(folder)) await truncate(join(folder, name), 0)
    await using journal = await openAt()
    expect(journal.status().lastPosition).toBe(last)
    expect(await append(journal, 'new')).toBeGreaterThan(last)
  })
})
