/** The alarms on screen: read once, then kept by events, and checked against the server's list now and then. */
import { onScopeDispose, shallowRef } from 'vue'
import type { Alarm, Occurrence } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'
import type { Wire } from '#contract/wire'
import { ask, problemWords } from '../session/requests.ts'
import { withAlarm, withOpenList, type AlarmMap } from './alarm-board.ts'
import { fromWire } from './from-wire.ts'
import type { AlarmEventOnWire } from './live-link.ts'

type AlarmPage = { readonly items: Wire<Alarm>[]; readonly next: string | null }
export type AlarmWithHistory = Alarm & { readonly occurrences: readonly Occurrence[] }

const PAGE_LIMIT = 500
const PAGES_MAX = 40
/** An event may be lost on the way; the list is the truth. */
const CHECK_PERIOD_MS = 30_000
/** Without the live link the list is all there is. */
const AWAY_PERIOD_MS = 5_000
const RETRY_MS = 3_000
/** Alarms kept in memory beyond the open ones. */
const CLOSED_KEPT_MAX = 500

export type Acknowledgement =
  | { readonly state: 'pending' }
  | { readonly state: 'failed'; readonly reason: string }
  | { readonly state: 'done'; readonly atMs: number }

export function useAlarms(isLive: () => boolean) {
  const alarms = shallowRef<AlarmMap>(new Map())
  const acknowledgements = shallowRef<ReadonlyMap<AlarmId, Acknowledgement>>(new Map())
  const isLoaded = shallowRef(false)
  const failure = shallowRef<string>()
  const olderCursor = shallowRef<string | null>(null)
  /** Counts the events of each lift, so that an open history knows when to read again. */
  const eventCounts = shallowRef<ReadonlyMap<LiftId, number>>(new Map())
  let touched = new Set<AlarmId>()
  let loading: Promise<void> | undefined
  let isAgainWanted = false
  let isDisposed = false
  let isRecentRead = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const put = (row: Alarm) => {
    touched.add(row.id)
    alarms.value = withAlarm(alarms.value, row)
  }

  async function readOpen(): Promise<void> {
    touched = new Set()
    const open: Alarm[] = []
    let after: string | null = null
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const from: string = after === null ? '' : `&after=${encodeURIComponent(after)}`
      const answer: AlarmPage = await ask<AlarmPage>('GET', `/api/v1/alarms?state=open&limit=${PAGE_LIMIT}${from}`)
      open.push(...answer.items.map((item) => fromWire<Alarm>(item)))
      after = answer.next
      if (after === null) break
    }
    alarms.value = trimmed(withOpenList(alarms.value, open, touched))
    isLoaded.value = true
    failure.value = undefined
    if (!isRecentRead) await readOlder(true)
  }

  /** The next page of everything, newest first. */
  async function readOlder(isFirst = false): Promise<void> {
    const cursor = olderCursor.value
    if (!isFirst && cursor === null) return
    const from = isFirst || cursor === null ? '' : `&after=${encodeURIComponent(cursor)}`
    const answer = await ask<AlarmPage>('GET', `/api/v1/alarms?state=all&limit=100${from}`)
    isRecentRead = true
    olderCursor.value = answer.next
    let next = alarms.value
    for (const item of answer.items) next = withAlarm(next, fromWire<Alarm>(item))
    alarms.value = next
  }

  /** Whoever asks during a reading has it read once more: what began before the question may not hold the answer. */
  function load(): Promise<void> {
    clearTimeout(timer)
    if (loading !== undefined) {
      isAgainWanted = true
      return loading
    }
    loading = readOpen()
      .catch((error: unknown) => {
        failure.value = problemWords(error)
      })
      .finally(() => {
        loading = undefined
        if (isDisposed) return
        timer = setTimeout(() => void load(), isAgainWanted ? 0 : periodMs())
        isAgainWanted = false
      })
    return loading
  }

  const periodMs = (): number => {
    if (failure.value !== undefined) return RETRY_MS
    return isLive() ? CHECK_PERIOD_MS : AWAY_PERIOD_MS
  }

  function take(event: AlarmEventOnWire): void {
    const row = fromWire<Alarm>(event.alarm)
    put(row)
    eventCounts.value = new Map(eventCounts.value).set(row.lift, (eventCounts.value.get(row.lift) ?? 0) + 1)
  }

  const note = (id: AlarmId, acknowledgement: Acknowledgement) => {
    acknowledgements.value = new Map(acknowledgements.value).set(id, acknowledgement)
  }

  /** Nothing is shown as acknowledged before the server said so. */
  async function acknowledge(id: AlarmId): Promise<void> {
    if (acknowledgements.value.get(id)?.state === 'pending') return
    note(id, { state: 'pending' })
    try {
      const answer = await ask<Wire<AlarmWithHistory>>('POST', `/api/v1/alarms/${encodeURIComponent(id)}/acknowledge`, {
        // What is acknowledged is what was seen: a raise that came meanwhile is refused, not silenced.
        body: { raiseCount: alarms.value.get(id)?.raiseCount },
      })
      const { occurrences: _occurrences, ...row } = fromWire<AlarmWithHistory>(answer)
      put(row)
      note(id, { state: 'done', atMs: Date.now() })
    } catch (error) {
      note(id, { state: 'failed', reason: problemWords(error) })
      // Somebody else may have been quicker: see what it is now.
      void load()
    }
  }

  const readHistory = async (id: AlarmId, signal: AbortSignal): Promise<AlarmWithHistory> =>
    fromWire<AlarmWithHistory>(
      await ask<Wire<AlarmWithHistory>>('GET', `/api/v1/alarms/${encodeURIComponent(id)}`, { signal }),
    )

  onScopeDispose(() => {
    isDisposed = true
    clearTimeout(timer)
  })
  return {
    alarms,
    acknowledgements,
    isLoaded,
    failure,
    olderCursor,
    eventCounts,
    load,
    take,
    acknowledge,
    readHistory,
    readOlder,
  }
}
export type Alarms = ReturnType<typeof useAlarms>

/** Closed alarms are kept only so many; the server has them all. */
function trimmed(alarms: AlarmMap): AlarmMap {
  const closed = [...alarms.values()].filter((alarm) => alarm.state === 'closed')
  if (closed.length <= CLOSED_KEPT_MAX) return alarms
  closed.sort((a, b) => b.raisedAtMs - a.raisedAtMs)
  const next = new Map(alarms)
  for (const alarm of closed.slice(CLOSED_KEPT_MAX)) next.delete(alarm.id)
  return next
}
