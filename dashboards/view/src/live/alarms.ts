/** The alarms on screen: read once, then kept by events, and checked against the server's list now and then. */
import { onScopeDispose, shallowRef } from 'vue'
import type { Alarm, Occurrence } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'
import type { Wire } from '#contract/wire'
import { ask, Problem, problemWords } from '../session/requests.ts'
import { words } from '../words/words.ts'
import { isWaiting, withAlarm, withOpenList, type AlarmMap } from './alarm-board.ts'
import { fromWire } from './from-wire.ts'
import type { AlarmEventOnWire } from './live-link.ts'
import { repeatedRead } from './repeated-read.ts'

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
  /** Refused because the alarm is not any more what was shown. */
  | { readonly state: 'changed'; readonly reason: string; readonly atMs: number }
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
  let isRecentRead = false

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

  const reading = repeatedRead({
    read: () =>
      readOpen().catch((error: unknown) => {
        failure.value = problemWords(error)
      }),
    periodMs: () => {
      if (!isLive()) return AWAY_PERIOD_MS
      return failure.value === undefined ? CHECK_PERIOD_MS : RETRY_MS
    },
  })

  function take(event: AlarmEventOnWire): void {
    const row = fromWire<Alarm>(event.alarm)
    put(row)
    eventCounts.value = new Map(eventCounts.value).set(row.lift, (eventCounts.value.get(row.lift) ?? 0) + 1)
  }

  const putAnswer = ({ occurrences: _occurrences, ...row }: AlarmWithHistory) => put(row)

  const note = (id: AlarmId, acknowledgement: Acknowledgement) => {
    acknowledgements.value = new Map(acknowledgements.value).set(id, acknowledgement)
  }

  const readHistory = async (id: AlarmId, signal?: AbortSignal): Promise<AlarmWithHistory> =>
    fromWire<AlarmWithHistory>(
      await ask<Wire<AlarmWithHistory>>('GET', `/api/v1/alarms/${encodeURIComponent(id)}`, signal && { signal }),
    )

  /** Nothing is shown as acknowledged before the server said so, and only what was `shown` is acknowledged. */
  async function acknowledge(shown: Alarm): Promise<void> {
    const { id, raiseCount } = shown
    if (acknowledgements.value.get(id)?.state === 'pending') return
    note(id, { state: 'pending' })
    try {
      const answer = await ask<Wire<AlarmWithHistory>>('POST', `/api/v1/alarms/${encodeURIComponent(id)}/acknowledge`, {
        // A raise that came meanwhile was seen by nobody: the server refuses, and it is not silenced.
        body: { raiseCount },
      })
      putAnswer(fromWire<AlarmWithHistory>(answer))
      note(id, { state: 'done', atMs: Date.now() })
    } catch (error) {
      if (error instanceof Problem && error.code === 'alarm.wrongState') await showChange(shown, error)
      else note(id, { state: 'failed', reason: problemWords(error) })
      // The row may be only one of several things that this browser does not know yet.
      reading.readNow()
    }
  }

  /** Until it is known what the alarm is now, its acknowledgement stays pending: nothing old can be pressed again. */
  async function showChange(shown: Alarm, refusal: Problem): Promise<void> {
    const now = await readHistory(shown.id).catch(() => undefined)
    if (now !== undefined) putAnswer(now)
    const isRaisedAgain = now !== undefined && isWaiting(now) && now.raiseCount !== shown.raiseCount
    const reason = isRaisedAgain ? words.value.queueRaisedAgain(now.raiseCount) : problemWords(refusal)
    note(shown.id, { state: 'changed', reason, atMs: Date.now() })
  }

  onScopeDispose(reading.stop)
  return {
    alarms,
    acknowledgements,
    isLoaded,
    failure,
    olderCursor,
    eventCounts,
    load: reading.readNow,
    rearm: reading.rearm,
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
