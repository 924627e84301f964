/** The newest live state of every registered lift, as the bus tells it. Bounded by the number of registered lifts. */
import { Counter, type Registry } from 'prom-client'
import type { LiftId } from '#contract/ids'
import { silentLift, type LiveState } from '#contract/live'
import type { Log } from '#contract/log-events'
import type { LiftScope } from '#contract/register'
import type { Bus } from '#storage/bus/bus'
import { RegisterAwayError, type Register } from '#storage/register/register'
import type { Fleet } from './fleet.ts'

/** The register is asked for unknown lifts at most this often, ms. */
const UNKNOWN_LIFT_REFRESH_MS = 5_000

export interface LiveStates extends AsyncDisposable {
  /** The newest state; that of a silent lift when nothing was heard. */
  of(lift: LiftId): LiveState
  /** One row for every lift in scope, heard of or not. */
  rows(scope: LiftScope): LiveState[]
  onChanged(listener: (lift: LiftId) => void): void
  /** Asks ingest for every lift: at the start, and after the bus may have lost something. */
  askForAll(): void
}

export async function openLiveStates(o: {
  bus: Bus
  register: Pick<Register, 'liveStates'>
  fleet: Fleet
  metrics: Registry
  log: Log
  nowMs: () => number
}): Promise<LiveStates> {
  const { bus, fleet, nowMs } = o
  const newest = new Map<LiftId, LiveState>()
  const listeners: ((lift: LiftId) => void)[] = []
  const unknownCount = new Counter({
    name: 'tiwang_live_unknown_lifts_total',
    help: 'Live states dropped because their lift is not registered',
    registers: [o.metrics],
  })
  let refreshedAtMs = -Infinity

  const put = (state: LiveState, position: 'newer' | 'same or newer') => {
    if (!fleet.lifts.has(state.lift)) return false
    const known = newest.get(state.lift)
    if (
      known !== undefined &&
      (state.position < known.position || (position === 'newer' && state.position === known.position))
    )
      return true
    newest.set(state.lift, state)
    for (const listener of listeners) listener(state.lift)
    return true
  }

  const askForAll = () => bus.publish('live.wanted', { atMs: nowMs() })

  const lookForUnknownLifts = () => {
    if (nowMs() - refreshedAtMs < UNKNOWN_LIFT_REFRESH_MS) return
    refreshedAtMs = nowMs()
    const countBefore = fleet.lifts.size
    void fleet.refresh().then(
      () => {
        if (fleet.lifts.size !== countBefore) askForAll()
      },
      () => {}, // The register is away: the next unknown lift asks again.
    )
  }

  // Subscribed before the baseline is read, so that nothing falls between the two.
  const subscription = await bus.subscribe('live', ({ states }) => {
    let unknown = 0
    for (const state of states) if (!put(state, 'same or newer')) unknown += 1
    if (unknown === 0) return
    unknownCount.inc(unknown)
    lookForUnknownLifts()
  })
  try {
    const checkpoint = await o.register.liveStates.load()
    for (const { state } of checkpoint.lifts) put(state, 'newer')
  } catch (error) {
    if (!(error instanceof RegisterAwayError)) {
      await subscription[Symbol.asyncDispose]()
      throw error
    }
    o.log.warn('register.away', { part: 'api', reason: error.message })
  }
  fleet.onMoved(() => {
    for (const lift of newest.keys()) if (!fleet.lifts.has(lift)) newest.delete(lift)
  })
  askForAll()

  const of = (lift: LiftId) => newest.get(lift) ?? silentLift(lift)
  return {
    of,
    rows: (scope) => fleet.inScope(scope).map((lift) => of(lift.id)),
    onChanged: (listener) => void listeners.push(listener),
    askForAll,
    [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose](),
  }
}
