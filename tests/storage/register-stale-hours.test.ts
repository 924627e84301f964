import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openRegister, STALE_HOURS_MAX, type LiftHour, type Register } from '#storage/register/register'
import { liftOf } from '../lift-of.ts'
import { startPostgres, type Postgres } from '../servers/postgres.ts'

const [a, b, unknown] = ['lift-a', 'lift-b', 'lift-unknown'] as LiftId[] as [LiftId, LiftId, LiftId]
const H = 495_000 * HOUR_MS
const hour = (lift: LiftId, number: number): LiftHour => ({ lift, hourAtMs: H + number * HOUR_MS })
/** All that is marked, however recently. */
const ALL = { quietMs: -60_000, endedBeforeMs: H + 2_000 * HOUR_MS, limit: 100 }
const bare = (rows: readonly LiftHour[]) => rows.map(({ lift, hourAtMs }) => ({ lift, hourAtMs }))

for (const scheme of ['pglite:', 'postgres:'] as const)
  describe(`stale hours at ${scheme}`, () => {
    let postgres: Postgres | undefined
    let register: Register
    let other: Register
    beforeAll(async () => {
      postgres = scheme === 'postgres:' ? await startPostgres() : undefined
    }, 60_000)
    afterAll(() => postgres?.[Symbol.asyncDispose]())
    beforeEach(async () => {
      const url = (await postgres?.newDatabase()) ?? 'pglite:memory'
      register = await openRegister(url, { log: silentLog })
      other = scheme === 'postgres:' ? await openRegister(url, { log: silentLog }) : register
      await register.lifts.put([liftOf(a, null), liftOf(b, null)])
      return async () => {
        if (other !== register) await other[Symbol.asyncDispose]()
        await register[Symbol.asyncDispose]()
      }
    })
    const staleHours = {
      mark: (rows: readonly LiftHour[]) => register.staleHours.mark(rows),
      due: (o: Parameters<Register['staleHours']['due']>[0] = ALL) => register.staleHours.due(o),
    }

    it('are told oldest hour first or newest first, each once however often it was marked', async () => {
      await staleHours.mark([hour(b, 2), hour(a, 2), hour(a, 1), hour(a, 2)])
      await other.staleHours.mark([hour(a, 2), hour(b, 0)])
      expect(bare(await staleHours.due())).toEqual([hour(b, 0), hour(a, 1), hour(a, 2), hour(b, 2)])
      expect(bare(await staleHours.due({ ...ALL, limit: 2 }))).toEqual([hour(b, 0), hour(a, 1)])
      const newest = { ...ALL, isNewestFirst: true }
      expect(bare(await staleHours.due({ ...newest, limit: 3 }))).toEqual([hour(b, 2), hour(a, 2), hour(a, 1)])
      expect(await staleHours.mark([])).toEqual([])
    })

    it('are told only of the lifts that are asked for', async () => {
      await staleHours.mark([hour(a, 1), hour(b, 1)])
      expect(bare(await register.staleHours.due({ ...ALL, lifts: [b, unknown] }))).toEqual([hour(b, 1)])
      expect(await register.staleHours.due({ ...ALL, lifts: [] })).toEqual([])
      expect(await register.staleHours.count({ ...ALL, lifts: [b] })).toBe(1)
      expect(await register.staleHours.count(ALL)).toBe(2)
    })

    it('are told when they ended before the instant, not when they only began', async () => {
      await staleHours.mark([hour(a, 1)])
      for (const [endedBeforeMs, count] of [[H + 2 * HOUR_MS, 0] as const, [H + 2 * HOUR_MS + 1, 1] as const]) {
        expect(await staleHours.due({ ...ALL, endedBeforeMs })).toHaveLength(count)
        expect(await register.staleHours.count({ endedBeforeMs })).toBe(count)
      }
    })

    it('are not told before they were quiet for long enough; each mark begins it anew', async () => {
      const quiet = { ...ALL, quietMs: 400 }
      await staleHours.mark([hour(a, 1), hour(b, 1)])
      expect(await staleHours.due(quiet)).toEqual([])
      await expect.poll(() => staleHours.due(quiet), { timeout: 5_000 }).toHaveLength(2)
      await staleHours.mark([hour(a, 1)])
      expect(bare(await staleHours.due({ ...ALL, quietMs: 300 }))).toEqual([hour(b, 1)])
    })

    it('leave out lifts that are not registered, and say which', async () => {
      expect(await staleHours.mark([hour(unknown, 1), hour(a, 1), hour(unknown, 2)])).toEqual([unknown])
      expect(await staleHours.mark([hour(unknown, 1)])).toEqual([unknown])
      expect(bare(await staleHours.due())).toEqual([hour(a, 1)])
    })

    it('are cleared only with the mark that they have, and others are told', async () => {
      await staleHours.mark([hour(a, 1), hour(a, 2), hour(b, 1)])
      const marked = await staleHours.due()
      await other.staleHours.mark([hour(a, 2)])
      expect(bare(await register.staleHours.clear(marked))).toEqual([hour(a, 2)])
      const again = await staleHours.due()
      expect(bare(again)).toEqual([hour(a, 2)])
      expect(again[0]?.mark).not.toBe(
        marked.find(({ hourAtMs, lift }) => lift === a && hourAtMs === H + 2 * HOUR_MS)?.mark,
      )
      expect(bare(await register.staleHours.clear(marked))).toEqual(bare(marked)) // gone, or marked anew
      expect(await register.staleHours.clear(again)).toEqual([])
      expect(await register.staleHours.clear([])).toEqual([])
      expect(await staleHours.due()).toEqual([])
    })

    it('have another mark also when they were cleared in between', async () => {
      await staleHours.mark([hour(a, 1)])
      const first = await staleHours.due()
      await register.staleHours.clear(first)
      await staleHours.mark([hour(a, 1)])
      expect(await register.staleHours.clear(first)).toEqual(first)
      expect(await staleHours.due()).toHaveLength(1)
    })

    it('are marked and cleared by many at once without losing a mark', async () => {
      const rows = [hour(a, 1), hour(a, 2), hour(b, 1), hour(b, 2)]
      const mixed = (turn: number) => (turn % 2 === 0 ? rows : [...rows].reverse())
      await Promise.all(
        Array.from({ length: 40 }, async (_, turn) => {
          const by = turn % 2 === 0 ? register : other
          await by.staleHours.mark(mixed(turn))
          await by.staleHours.clear(await by.staleHours.due(ALL))
        }),
      )
      await staleHours.mark(rows)
      expect(bare(await staleHours.due())).toHaveLength(4)
    })

    it('are refused when there are too many at once', async () => {
      const many = Array.from({ length: STALE_HOURS_MAX + 1 }, (_, number) => hour(a, number))
      await expect(staleHours.mark(many)).rejects.toThrow(RangeError)
      await expect(staleHours.due({ ...ALL, limit: STALE_HOURS_MAX + 1 })).rejects.toThrow(RangeError)
      expect(await staleHours.mark(many.slice(1))).toEqual([])
      expect(await register.staleHours.count(ALL)).toBe(STALE_HOURS_MAX)
    })
  })
