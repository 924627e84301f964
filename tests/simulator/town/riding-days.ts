/** What the tests of the residents share: houses, and the rides of one local day. */
import { Compile } from 'typebox/compile'
import { LiftId } from '#contract/ids'
import type { House } from '#simulator/town/households'
import { firstArrival, nextArrival, type Arrivals } from '#simulator/town/residents'

const liftId = Compile(LiftId)

/** Local midnights in Asia/Shanghai: a Wednesday, a Sunday, and the second day of the National Day holiday. */
export const WORKDAY_MS = Date.parse('2026-03-11T00:00:00+08:00')
export const SUNDAY_MS = Date.parse('2026-03-15T00:00:00+08:00')
export const HOLIDAY_MS = Date.parse('2026-10-02T00:00:00+08:00')
export const DAY_MS = 24 * 3600_000

export const house = (o: Partial<House> = {}): House => ({
  ...{ lift: liftId.Parse('yhy-1-1'), seed: 20, landingCount: 6, entry: 'full-floor', speed: 1, pattern: 'real' },
  ...o,
})

/** All arrivals after `fromMs` and before `toMs`. */
export function arrivalsOf(of: House, fromMs: number, toMs: number): Arrivals[] {
  const found: Arrivals[] = []
  for (let next = firstArrival(of, fromMs); next.atMs < toMs; next = nextArrival(of, next)) found.push(next)
  return found
}

export const hourOfDay = (atMs: number): number => Math.floor((atMs / 3600_000 + 8) % 24)
