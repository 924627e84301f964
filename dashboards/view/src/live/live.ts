/** Everything that the operations desk knows, in one place: made by the desk, handed to its panels. */
import { computed, inject, provide, shallowRef, watch, type InjectionKey } from 'vue'
import type { LiftId } from '#contract/ids'
import { freshnessOf, silentLift, statusAgeMs, type LiveState } from '#contract/live'
import type { Lift } from '#contract/register'
import type { Wire } from '#contract/wire'
import { ask, problemWords } from '../session/requests.ts'
import { isOpen, isTrapped, isWaiting, worstByLift } from './alarm-board.ts'
import { useAlarms } from './alarms.ts'
import { useServerClock } from './clock.ts'
import type { FleetRow } from './fleet-order.ts'
import { fromWire } from './from-wire.ts'
import { useLiveLink } from './live-link.ts'
import { isOutOfNormal } from '../words/lift-words.ts'

export type LiftRow = Lift & { readonly contractorName: string | null }

export function useLive(on: { sessionEnd: () => void }) {
  const clock = useServerClock()
  const lifts = shallowRef<ReadonlyMap<LiftId, LiftRow>>(new Map())
  const fleetFailure = shallowRef<string>()
  const isFleetLoaded = shallowRef(false)

  async function loadLifts(): Promise<void> {
    try {
      const { items } = await ask<{ items: Wire<LiftRow>[] }>('GET', '/api/v1/lifts')
      lifts.value = new Map(items.map((item) => [item.id, fromWire<LiftRow>(item)]))
      fleetFailure.value = undefined
      isFleetLoaded.value = true
    } catch (error) {
      fleetFailure.value = problemWords(error)
    }
  }

  const alarmList = useAlarms(() => link.link.value === 'live')
  const link = useLiveLink(clock, {
    alarm: alarmList.take,
    live: () => {
      alarmList.load()
      void loadLifts()
    },
    sessionEnd: on.sessionEnd,
  })
  // Without the socket the list is read more often, from now on and not from the next reading on.
  watch(link.link, alarmList.rearm)
  // Read at once besides: a socket that is refused must not keep the alarms from being seen.
  alarmList.load()
  void loadLifts()

  const worst = computed(() => worstByLift(alarmList.alarms.value))
  const stateOf = (lift: LiftId): LiveState => link.states.value.get(lift) ?? silentLift(lift)
  const rowOf = (lift: LiftRow, nowMs: number): FleetRow => {
    const state = stateOf(lift.id)
    return {
      lift,
      state,
      freshness: freshnessOf(state, nowMs),
      ageMs: statusAgeMs(state, nowMs),
      alarm: worst.value.get(lift.id),
    }
  }
  const rows = computed<readonly FleetRow[]>(() => {
    const nowMs = Math.max(clock.nowMs.value, clock.readNowMs())
    return [...lifts.value.values()].map((lift) => rowOf(lift, nowMs))
  })
  const figures = computed(() => figuresOf(rows.value, [...alarmList.alarms.value.values()]))
  /** False until the list of open alarms was read, and while reading it fails: then none seen does not mean none there. */
  const isAlarmListKnown = computed(() => alarmList.isLoaded.value && alarmList.failure.value === undefined)
  const isFleetKnown = computed(() => isFleetLoaded.value && link.isSnapshotTaken.value)
  const simulatedShare = computed<'none' | 'some' | 'all'>(() => {
    const all = [...lifts.value.values()]
    const count = all.filter((lift) => lift.simulated).length
    return count === 0 ? 'none' : count === all.length ? 'all' : 'some'
  })
  const live = {
    clock,
    lifts,
    fleetFailure,
    isFleetLoaded,
    isFleetKnown,
    isAlarmListKnown,
    loadLifts,
    link,
    alarmList,
    rows,
    figures,
    simulatedShare,
    worst,
  }
  provide(liveKey, live)
  return live
}

export type Live = ReturnType<typeof useLive>
const liveKey: InjectionKey<Live> = Symbol('live')

/** The live data of the desk that this panel stands on. */
export function useDeskLive(): Live {
  const live = inject(liveKey)
  if (live === undefined) throw new Error('a panel stands on the operations desk')
  return live
}

/** A number of alarms as it may be shown: while the list is unknown, those that were seen are the least there are. */
export const countWords = (count: number, isKnown: boolean): string =>
  isKnown ? grouped.format(count) : count > 0 ? `≥ ${grouped.format(count)}` : '—'
const grouped = new Intl.NumberFormat('en')

function figuresOf(rows: readonly FleetRow[], alarms: readonly (typeof rows)[number]['alarm'][]) {
  const count = (test: (row: FleetRow) => boolean) => rows.reduce((sum, row) => sum + (test(row) ? 1 : 0), 0)
  const isNow = (row: FleetRow) => row.freshness === 'fresh' || row.freshness === 'late'
  const known = alarms.filter((alarm) => alarm !== undefined)
  return {
    total: rows.length,
    online: count((row) => row.state.link === 'online' && row.freshness !== 'lost' && row.freshness !== 'never'),
    moving: count((row) => isNow(row) && row.state.status?.carStatus === 1),
    outOfNormal: count((row) => isNow(row) && row.state.status !== null && isOutOfNormal(row.state.status)),
    runsToday: rows.reduce((sum, row) => sum + (row.state.runsToday ?? 0), 0),
    stale: count((row) => row.freshness === 'stale'),
    lost: count((row) => row.freshness === 'lost' || row.freshness === 'never'),
    trapped: known.filter(isTrapped).length,
    waiting: known.filter(isWaiting).length,
    acknowledged: known.filter((alarm) => isOpen(alarm) && alarm.state === 'acknowledged').length,
  }
}
