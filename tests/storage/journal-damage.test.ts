import { copyFile, cp, mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openFileJournal } from '#storage/journal/file-journal'
import { MARK_BYTES } from '#storage/journal/frames'
import type { Journal } from '#storage/journal/journal'
import { encodeRecord, recordBytes } from '#storage/journal/record-codec'
import { tempFolder } from '../servers/temp-folder.ts'
import { append, appendAll, entry, listeningLog, readAll, textOf } from './journal-under-test.ts'

type Kept = { readonly name: string; readonly text: string; readonly from: number; readonly to: number }

const openAt = (path: string, log = silentLog) =>
  openFileJournal(path, { log, segmentBytesMax: 6_000, reserveBytes: 0 })
const segmentsOf = async (path: string) => (await readdir(path)).filter((name) => name.includes('.journal')).sort()

async function allOf(journal: Journal): Promise<string[]> {
  await using reader = await journal.reader('detect', { after: 0 })
  return (await readAll(reader, { waitMs: 20 })).map(textOf)
}

/** A record as an attacker would put it into a payload: well-formed, with a position that would fit. */
function forged(position: number): string {
  const fake = entry('forged')
  const buffer = Buffer.alloc(recordBytes(fake) ?? 0)
  encodeRecord(buffer, 0, fake, position)
  return buffer.toString('latin1')
}

describe('damage in the segments of a file journal', { timeout: 120_000 }, () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>
  let whole: string
  const kept: Kept[] = []

  beforeAll(async () => {
    temp = await tempFolder('journal-damage')
    whole = join(temp.path, 'whole')
    await using journal = await openAt(whole)
    const texts = Array.from({ length: 90 }, (_, i) => `record ${i} `.padEnd(20 + ((i * 7_919) % 400), `${i % 10}`))
    const positions: number[] = []
    for (let i = 0; i < texts.length; i += 6) {
      // Among them some that carry what looks like a record.
      texts[i + 3] = `record ${i + 3} ${forged((positions.at(-1) ?? 0) + 5)}`
      positions.push(...(await appendAll(journal, texts.slice(i, i + 6))))
    }
    const names = await segmentsOf(whole)
    const ends = new Map<string, number>()
    for (const [i, text] of texts.entries()) {
      const name = names.findLast((each) => Number(each.slice(0, 16)) <= (positions[i] ?? 0)) ?? ''
      const from = ends.get(name) ?? 0
      const to = from + MARK_BYTES + (recordBytes(entry(text)) ?? 0)
      ends.set(name, to)
      kept.push({ name, text, from, to })
    }
    expect(names.length).toBeGreaterThan(3)
    for (const name of names) expect((await stat(join(whole, name))).size).toBe(ends.get(name))
  })
  afterAll(() => temp[Symbol.asyncDispose]())

  let copies = 0
  /** A copy of the folder with one segment changed. */
  async function damaged(segment: number, change: (bytes: Buffer) => Buffer): Promise<{ path: string; name: string }> {
    const path = join(temp.path, `copy-${(copies += 1)}`)
    await mkdir(path)
    const names = await segmentsOf(whole)
    for (const name of names) await copyFile(join(whole, name), join(path, name))
    const name = names[segment % names.length] ?? ''
    await writeFile(join(path, name), change(Buffer.from(await readFile(join(whole, name)))))
    return { path, name }
  }

  /** Everything outside the range is read, in order, nothing else is, and the journal goes on. */
  async function expectRest(path: string, name: string, from: number, to: number) {
    const wanted = kept
      .filter((each) => each.name !== name || each.to <= from || each.from >= to)
      .map(({ text }) => text)
    const all = kept.map(({ text }) => text)
    for (const round of [0, 1]) {
      await using journal = await openAt(path)
      const texts = await allOf(journal)
      const after = texts.filter((text) => text === 'after')
      expect(after).toHaveLength(round)
      const old = texts.slice(0, texts.length - round)
      // A range may be damaged with the bytes that it had.
      expect(old.filter((text) => wanted.includes(text))).toEqual(wanted)
      expect(all.filter((text) => old.includes(text))).toEqual(old)
      if (round === 0) await append(journal, 'after')
    }
    await rm(path, { recursive: true })
  }

  const places = { segment: fc.nat(20), at: fc.nat(), bytes: fc.integer({ min: 1, max: 2_500 }) }

  it('loses no record but the one in which a byte is changed', async () => {
    await fc.assert(
      fc.asyncProperty(places.segment, places.at, fc.integer({ min: 1, max: 255 }), async (segment, at, change) => {
        let from = 0
        const { path, name } = await damaged(segment, (bytes) => {
          from = at % bytes.length
          bytes.writeUInt8(bytes.readUInt8(from) ^ change, from)
          return bytes
        })
        await expectRest(path, name, from, from + 1)
      }),
      { numRuns: 60 },
    )
  })

  it('loses no record outside a range that is overwritten with zeros or rubbish', async () => {
    await fc.assert(
      fc.asyncProperty(places.segment, places.at, places.bytes, fc.boolean(), fc.nat(255), async (...args) => {
        const [segment, at, length, isZero, seed] = args
        let from = 0
        const { path, name } = await damaged(segment, (bytes) => {
          from = at % bytes.length
          for (let i = from; i < Math.min(bytes.length, from + length); i += 1)
            bytes.writeUInt8(isZero ? 0 : (i * 167 + seed) & 0xff, i)
          return bytes
        })
        await expectRest(path, name, from, from + length)
      }),
      { numRuns: 60 },
    )
  })

  it('loses no record before the end of a segment that was cut', async () => {
    await fc.assert(
      fc.asyncProperty(places.segment, places.at, async (segment, at) => {
        let from = 0
        const { path, name } = await damaged(segment, (bytes) => bytes.subarray(0, (from = at % bytes.length)))
        await expectRest(path, name, from, Infinity)
      }),
      { numRuns: 40 },
    )
  })

  it('reads on behind a damaged length field of the last segment, near its end', async () => {
    const last = kept.at(-4)
    if (last === undefined) throw new Error('there are records')
    for (const value of [0, 1, 200, 262_000, 0xffffffff]) {
      const lengthAt = last.from + MARK_BYTES + 4
      const { path, name } = await damaged((await segmentsOf(whole)).length - 1, (bytes) => {
        bytes.writeUInt32LE(value, lengthAt)
        return bytes
      })
      expect(name).toBe(last.name)
      await expectRest(path, name, lengthAt, lengthAt + 4)
    }
  })

  it('keeps all that was synced when the last write is torn anywhere, whatever the disk puts there', async () => {
    const names = await segmentsOf(whole)
    const name = names.at(-1) ?? ''
    const own = kept.filter((each) => each.name === name)
    const synced = own.at(-7)?.to ?? 0
    const size = own.at(-1)?.to ?? 0
    const rests = [Buffer.alloc(0), Buffer.alloc(500), Buffer.from('rubbish of another file '.repeat(20))]
    for (let at = synced; at <= size; at += 17) {
      const rest = rests[at % rests.length] ?? Buffer.alloc(0)
      const { path } = await damaged(names.length - 1, (bytes) => Buffer.concat([bytes.subarray(0, at), rest]))
      await expectRest(path, name, at, Infinity)
    }
  })

  it('finds the next record behind damage that is larger than what is read at a time', async () => {
    const path = join(temp.path, 'large')
    const text = (i: number) => `${i} `.padEnd(100_000, 'x')
    {
      await using journal = await openFileJournal(path, { log: silentLog, reserveBytes: 0 })
      for (let i = 0; i < 60; i += 1) await append(journal, text(i))
    }
    const [name = ''] = await segmentsOf(path)
    const bytes = await readFile(join(path, name))
    bytes.fill(0, 1_050_000, 4_000_000)
    await writeFile(join(path, name), bytes)
    const log = listeningLog()
    await using journal = await openFileJournal(path, { log, reserveBytes: 0 })
    const numbers = (await allOf(journal)).map((each) => Number(each.split(' ')[0]))
    expect(numbers).toEqual([...Array(10).keys(), ...Array.from({ length: 20 }, (_, i) => 40 + i)])
    expect(log.events).toContain('journal.damaged')
  })

  describe('in a folder of version 1', () => {
    const old = (path: string, position: number) => join(path, `${String(position).padStart(16, '0')}.journal1`)
    async function oldFolder(name: string, count: number): Promise<{ path: string; bytes: number }> {
      const path = join(temp.path, name)
      await mkdir(path)
      const parts = Array.from({ length: count }, (_, i) => {
        const buffer = Buffer.alloc(recordBytes(entry(`old ${i}`)) ?? 0)
        encodeRecord(buffer, 0, entry(`old ${i}`), 1_000 + i)
        return buffer
      })
      const bytes = Buffer.concat(parts)
      await writeFile(old(path, 1_000), bytes)
      return { path, bytes: bytes.length }
    }
    const olds = (count: number) => Array.from({ length: count }, (_, i) => `old ${i}`)

    it('reads it, and writes what is new into segments of its own', async () => {
      const { path, bytes } = await oldFolder('old', 12)
      for (const round of [0, 1]) {
        await using journal = await openAt(path)
        expect(await allOf(journal)).toEqual([...olds(12), ...['new 0'].slice(0, round)])
        expect(await append(journal, `new ${round}`)).toBeGreaterThan(1_011)
      }
      await using journal = await openAt(path)
      expect(await allOf(journal)).toEqual([...olds(12), 'new 0', 'new 1'])
      expect((await stat(old(path, 1_000))).size).toBe(bytes)
    })

    it('goes on when its last segment is empty', async () => {
      const { path } = await oldFolder('old-empty', 3)
      await writeFile(old(path, 1_003), '')
      for (const round of [0, 1]) {
        await using journal = await openAt(path)
        expect(await append(journal, `new ${round}`)).toBeGreaterThan(1_002)
      }
      await using journal = await openAt(path)
      expect(await allOf(journal)).toEqual([...olds(3), 'new 0', 'new 1'])
    })

    it('cuts nothing off it, and reads what comes before the damage', async () => {
      const { path, bytes } = await oldFolder('old-torn', 12)
      await truncate(old(path, 1_000), bytes - 5)
      const copy = join(temp.path, 'old-torn-copy')
      await cp(path, copy, { recursive: true })
      await using journal = await openAt(copy)
      await append(journal, 'new')
      expect(await allOf(journal)).toEqual([...olds(11), 'new'])
      expect((await stat(old(copy, 1_000))).size).toBe(bytes - 5)
    })
  })
})
