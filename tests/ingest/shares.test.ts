import { describe, expect, it } from 'vitest'
import { SHARE_COUNT, type HeldShare } from '#contract/shares'
import { silentLog } from '#contract/log-events'
import { newFleet } from '#ingest/fleet'
import { newOutages } from '#ingest/outages'
import type { ShareWork } from '#ingest/share-work'
import { Shares } from '#ingest/shares'
import { openRegister } from '#storage/register/register'
import { eventually } from '../platform/platform-process.ts'

const workOn = (held: HeldShare): ShareWork => ({
  held,
  fleet: newFleet(),
  lifts: () => [],
  lag: () => ({ detect: 0, telemetry: 0 }),
  failed: new Promise<never>(() => {}),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

describe('the shares of workers', () => {
  it('go to another worker when the one that holds them cannot begin', { timeout: 60_000 }, async () => {
    await using register = await openRegister('pglite:memory', { log: silentLog })
    const outages = newOutages({ log: silentLog, nowMs: Date.now, onChange: () => {} })
    const shared = { shareCount: SHARE_COUNT, register, outages, log: silentLog }
    let tryCount = 0
    const sick = new Shares({
      ...shared,
      worker: 'a-sick',
      begin: () => {
        tryCount += 1
        return Promise.reject(new Error('states cannot be restored'))
      },
    })
    await sick.begun
    const well = new Shares({ ...shared, worker: 'b-well', begin: (held) => Promise.resolve(held.map(workOn)) })
    await eventually(
      () => Promise.resolve(well.works().length),
      (count) => count === SHARE_COUNT,
      30_000,
    )
    expect(tryCount).toBeGreaterThan(1)
    expect(outages.current()).toEqual([])
    await well.stop()
    await sick.stop()
  })

  it('say that the register is back when it answers again, also when nothing was to be begun', async () => {
    await using register = await openRegister('pglite:memory', { log: silentLog })
    const outages = newOutages({ log: silentLog, nowMs: Date.now, onChange: () => {} })
    const shares = new Shares({
      ...{ worker: 'one', shareCount: SHARE_COUNT, register, outages, log: silentLog },
      begin: (held) => Promise.resolve(held.map(workOn)),
    })
    await shares.begun
    outages.began('register', 'a beat has failed')
    await eventually(
      () => Promise.resolve(outages.current()),
      ({ length }) => length === 0,
      10_000,
    )
    await shares.stop()
  })
})
