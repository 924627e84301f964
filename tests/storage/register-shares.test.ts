import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLift } from '#contract/live'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import type { HeldShare, ShareTable } from '#contract/shares'
import { ShareLostError, openRegister, type Register } from '#storage/register/register'
import { startPostgres, type Postgres } from '../servers/postgres.ts'
import { change } from './register-rows.ts'

const lift = 'lift-a' as LiftId
const row = (share: number, worker: string | null, epoch: number) => ({ share, worker, epoch })
const held: HeldShare = { share: 3, worker: 'a', epoch: 1 }

for (const scheme of ['pglite:', 'postgres:'] as const)
  describe(`leases of shares at ${scheme}`, () => {
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
      return async () => {
        if (other !== register) await other[Symbol.asyncDispose]()
        await register[Symbol.asyncDispose]()
      }
    })
    const give = (shares: ShareTable['shares']) =>
      register.shares.change((table) => ({ ...table, shares: [...shares] }))

    it('keep what the last change left behind', async () => {
      const table = { workers: [{ worker: 'a', beat: 1 }], shares: [row(0, 'a', 1), row(1, null, 2)] }
      expect(await register.shares.change(() => table)).toEqual(table)
      expect(await other.shares.change((before) => before)).toEqual(table)
      const next = { workers: [{ worker: 'b', beat: 5 }], shares: [row(0, 'b', 2), row(1, null, 2)] }
      await other.shares.change(() => next)
      expect(await register.shares.change((before) => before)).toEqual(next)
    })

    it('are changed by one at a time, also when many ask at once', async () => {
      const add = (by: Register) =>
        by.shares.change(({ workers, shares }) => ({
          shares,
          workers: [{ worker: 'a', beat: (workers[0]?.beat ?? 0) + 1 }],
        }))
      await Promise.all(Array.from({ length: 20 }, (_, index) => add(index % 2 === 0 ? register : other)))
      expect((await register.shares.change((table) => table)).workers).toEqual([{ worker: 'a', beat: 20 }])
    })

    it('let the holder save and decide, and refuse whoever held the share before', async () => {
      const lifts = [{ state: { ...silentLift(lift), position: 5 }, memory: null }]
      await give([row(3, 'a', 1)])
      await register.liveStates.save({ position: 5, lifts }, held)
      expect(await register.alarms.apply(change('raise', lift, 1_000), held)).toBeDefined()
      await give([row(3, 'b', 2)])
      await other.liveStates.save({ position: 9, lifts: [] }, { share: 3, worker: 'b', epoch: 2 })
      await expect(register.liveStates.save({ position: 7, lifts: [] }, held)).rejects.toThrow(ShareLostError)
      await expect(register.alarms.apply(change('return', lift, 1_000), held)).rejects.toThrow(ShareLostError)
      expect((await register.liveStates.load({ share: 3, lifts: [lift] })).position).toBe(9)
      expect((await register.alarms.list({ scope: { all: true }, limit: 5 })).rows).toMatchObject([
        { state: 'unacknowledged' },
      ])
    })

    it('refuse the same worker, too, when it lost the share in between', async () => {
      await give([row(3, 'a', 3)])
      await expect(register.liveStates.save({ position: 7, lifts: [] }, held)).rejects.toThrow(ShareLostError)
    })

    it('keep a checkpoint for each share, with the states of the lifts that are asked for', async () => {
      await give([row(3, 'a', 1), row(4, 'a', 1)])
      const ids = ['lift-a', 'lift-b'] as LiftId[]
      const lifts = ids.map((id) => ({ state: silentLift(id), memory: { id } }))
      await register.liveStates.save({ position: 5, lifts: lifts.slice(0, 1) }, held)
      await register.liveStates.save({ position: 8, lifts: lifts.slice(1) }, { ...held, share: 4 })
      expect(await register.liveStates.load({ share: 3, lifts: ids.slice(0, 1) })).toEqual({
        position: 5,
        lifts: lifts.slice(0, 1),
      })
      expect(await register.liveStates.load({ share: 4, lifts: [] })).toEqual({ position: 8, lifts: [] })
      expect(await register.liveStates.load()).toEqual({ position: 0, lifts })
    })
  })
