import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  append,
  appendAll,
  entry,
  JOURNAL_PLACES,
  readAll,
  textOf,
  until,
  type JournalPlace,
} from './journal-under-test.ts'

const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `message ${from + i}`)

for (const [name, openPlace] of Object.entries(JOURNAL_PLACES)) {
  describe(`journal at ${name}`, () => {
    let place: JournalPlace
    beforeEach(async () => {
      place = await openPlace()
    })
    afterEach(() => place[Symbol.asyncDispose]())

    it('gives back exactly what was appended, in order, with growing positions', async () => {
      await using journal = await place.open()
      const payload = Buffer.from([0, 255, 13, 10, 0xc3, 0x28])
      const strange = { topic: 'lifts/v1/梯-1/status', terminal: 'TJ-“é”', receivedAtMs: 1, payload }
      const position = await new Promise((resolve) => journal.append(strange, (_, at) => resolve(at)))
      const positions = await appendAll(journal, numbered(50))
      await using reader = await journal.reader('detect')
      const [first, ...rest] = await readAll(reader, { count: 51 })
      const { payload: _, ...wanted } = strange
      expect(first).toMatchObject({ ...wanted, position })
      expect(Buffer.from(first?.payload ?? []).equals(payload)).toBe(true)
      expect(rest.map(textOf)).toEqual(numbered(50))
      expect(rest.map((record) => record.position)).toEqual(positions)
      const all = [first?.position ?? 0, ...positions]
      expect(all[0]).toBeGreaterThanOrEqual(1)
      expect([...all].sort((a, b) => a - b)).toEqual(all)
      expect(new Set(all).size).toBe(51)
    })

    it('calls back in the order of the appends', async () => {
      await using journal = await place.open()
      const told: string[] = []
      for (const text of numbered(500)) journal.append(entry(text), (error) => told.push(error?.message ?? text))
      await until('all are told', () => told.length === 500)
      expect(told).toEqual(numbered(500))
    })

    it('keeps what it acknowledged when it is closed and opened again, and never gives a position twice', async () => {
      let before: number[]
      {
        await using journal = await place.open()
        before = await appendAll(journal, numbered(20))
      }
      await using journal = await place.open()
      expect(journal.status().lastPosition).toBe(before.at(-1))
      const after = await append(journal, 'later')
      expect(after).toBeGreaterThan(before.at(-1) ?? Infinity)
      await using reader = await journal.reader('detect')
      expect((await readAll(reader, { count: 21 })).map(textOf)).toEqual([...numbered(20), 'later'])
    })

    it('waits for a record and gives it as soon as it is there', async () => {
      await using journal = await place.open()
      await using reader = await journal.reader('detect')
      const waiting = reader.read({ countMax: 10, waitMs: 20_000 })
      const begunAtMs = performance.now()
      await append(journal, 'at last')
      expect((await waiting).map(textOf)).toEqual(['at last'])
      expect(performance.now() - begunAtMs).toBeLessThan(10_000)
    })

    it('gives an empty array after the wait and when the signal aborts', async () => {
      await using journal = await place.open()
      await using reader = await journal.reader('detect')
      expect(await reader.read({ countMax: 10, waitMs: 50 })).toEqual([])
      const abort = new AbortController()
      const waiting = reader.read({ countMax: 10, waitMs: 60_000, signal: abort.signal })
      abort.abort()
      expect(await waiting).toEqual([])
      expect(await reader.read({ countMax: 10, waitMs: 60_000, signal: abort.signal })).toEqual([])
    })

    it('gives at most as many records as asked for', async () => {
      await using journal = await place.open()
      await appendAll(journal, numbered(25))
      await using reader = await journal.reader('detect')
      for (const _ of [1, 2])
        expect((await reader.read({ countMax: 10, waitMs: 10_000 })).length).toBeLessThanOrEqual(10)
      await using other = await journal.reader('telemetry')
      expect((await readAll(other, { count: 25, countMax: 3 })).map(textOf)).toEqual(numbered(25))
    })

    it('goes on behind what a consumer committed, each consumer for itself, and never back', async () => {
      let positions: number[]
      {
        await using journal = await place.open()
        positions = await appendAll(journal, numbered(10))
        await using detect = await journal.reader('detect')
        await using telemetry = await journal.reader('telemetry')
        await detect.commit(positions[6] ?? 0)
        await detect.commit(positions[2] ?? 0)
        await telemetry.commit(positions[0] ?? 0)
        expect(journal.status().committed).toEqual({ detect: positions[6], telemetry: positions[0] })
      }
      await using journal = await place.open()
      expect(journal.status().committed).toEqual({ detect: positions[6], telemetry: positions[0] })
      await using detect = await journal.reader('detect')
      await using telemetry = await journal.reader('telemetry')
      expect((await readAll(detect, { count: 3 })).map(textOf)).toEqual(numbered(3, 7))
      expect((await readAll(telemetry, { count: 9 })).map(textOf)).toEqual(numbered(9, 1))
    })

    it('begins behind any position that it is asked for', async () => {
      await using journal = await place.open()
      const positions = await appendAll(journal, numbered(10))
      await using done = await journal.reader('detect')
      await done.commit(positions[4] ?? 0)
      await using reader = await journal.reader('detect', { after: positions[3] ?? 0 })
      expect((await readAll(reader, { count: 6 })).map(textOf)).toEqual(numbered(6, 4))
      await using whole = await journal.reader('detect', { after: 0 })
      expect((await readAll(whole, { count: 10 })).map(textOf)).toEqual(numbered(10))
    })

    it('does not commit what is not there yet', async () => {
      await using journal = await place.open()
      const position = await append(journal, 'one')
      await using reader = await journal.reader('detect')
      await reader.commit(position + 1_000)
      expect(journal.status().committed.detect).toBe(position)
      await append(journal, 'two')
      await using again = await journal.reader('detect')
      expect((await readAll(again, { count: 1 })).map(textOf)).toEqual(['two'])
    })

    it('refuses a record that is too large and takes the next one', async () => {
      await using journal = await place.open()
      await expect(append(journal, 'x'.repeat(300_000))).rejects.toThrow('too large')
      await expect(append(journal, 'small')).resolves.toBeGreaterThan(0)
      expect(journal.status().refusedCount).toBe(1)
    })

    it('refuses when it is full, says so, and takes messages again when every consumer is done', async () => {
      await using journal = await place.open({ bytesMax: 100_000 })
      const positions: number[] = []
      const text = 'x'.repeat(1_000)
      for (let isFull = false; !isFull;)
        await append(journal, text).then(
          (at) => positions.push(at),
          () => (isFull = true),
        )
      expect(positions.length).toBeGreaterThan(20)
      expect(journal.status().degraded).toContain('full')
      await using detect = await journal.reader('detect')
      await using telemetry = await journal.reader('telemetry')
      const last = positions.at(-1) ?? 0
      await detect.commit(last)
      await expect(append(journal, text)).rejects.toThrow('full')
      // Nothing that a consumer has not taken went away to make room.
      expect(await readAll(telemetry, { count: positions.length })).toHaveLength(positions.length)
      await telemetry.commit(last)
      await until('it takes messages again', () => journal.status().degraded === undefined)
      expect(await append(journal, text)).toBeGreaterThan(last)
      expect(journal.status().firstPosition).toBeGreaterThan(positions[0] ?? Infinity)
    })

    it('refuses after it was closed, without throwing', async () => {
      const journal = await place.open()
      await journal[Symbol.asyncDispose]()
      await expect(append(journal, 'too late')).rejects.toThrow('closed')
      await expect(journal.reader('detect')).rejects.toThrow('closed')
      await journal[Symbol.asyncDispose]()
    })

    it('acknowledges what was appended before it was closed', async () => {
      const journal = await place.open()
      const positions = appendAll(journal, numbered(200))
      await journal[Symbol.asyncDispose]()
      expect(await positions).toHaveLength(200)
      await using again = await place.open()
      await using reader = await again.reader('telemetry')
      expect((await readAll(reader, { count: 200 })).map(textOf)).toEqual(numbered(200))
    })

    it('is not disturbed by a caller that throws', async () => {
      await using journal = await place.open()
      journal.append(entry('one'), () => {
        throw new Error('a mistake of the caller')
      })
      await expect(append(journal, 'two')).resolves.toBeGreaterThan(0)
    })
  })
}
