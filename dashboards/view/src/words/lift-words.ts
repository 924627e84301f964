/** Sentences about one lift. They say what was reported and when, and nothing that was not. */
import type { Alarm } from '#contract/alarms'
import { FRESHNESS_MS, type Freshness, type LiveState } from '#contract/live'
import { DOOR_STATUSES, SERVICE_MODES, type Status } from '#contract/telemetry'
import type { Catalogue, Language, Named } from './catalogue.ts'
import { ageWords, momentWords, spanWords } from './times.ts'

const named = (row: Named, language: Language) => (language === 'en' ? row.en : row.zh)

/** Anything but 正常运行 (1), which is told first. 未知 (7) is what a terminal says that cannot hear the controller: nothing of the lift. */
export const isOutOfNormal = ({ serviceMode }: Status): boolean => serviceMode !== 1 && serviceMode !== 7

export type DoorName = (typeof DOOR_STATUSES)[number]['name']
/** The door as it was reported; a terminal without a door code still says whether it is closed. */
export function doorOf(status: Status): DoorName | 'not-closed' {
  const row = status.doorStatus === undefined ? undefined : DOOR_STATUSES[status.doorStatus]
  if (row !== undefined && row.name !== 'unknown') return row.name
  return status.doorClosed ? 'closed' : 'not-closed'
}

export function motionWords(status: Status, words: Catalogue): string {
  if (status.carStatus !== 1) return words.stateStopped
  return status.carDirection === 1 ? words.stateUp : status.carDirection === 2 ? words.stateDown : words.stateMoving
}

function doorWords(status: Status, words: Catalogue): string {
  const door = doorOf(status)
  if (door === 'opening' || door === 'closing') return words.stateDoorMoving
  if (door === 'held') return words.stateDoorHeld
  return door === 'closed' || door === 'locked' ? words.stateDoorClosed : words.stateDoorOpen
}

export function peopleWords(status: Status, words: Catalogue): string {
  if (!status.passengerPresent) return words.stateNobody
  return status.passengerCount === undefined || status.passengerCount === 0
    ? words.stateSomebody
    : words.statePeople(status.passengerCount)
}

/** The last reported state, without judging its age: “上行 · 1.0 m/s · 2 人”. */
export function statusSentence(status: Status, words: Catalogue, language: Language): string {
  const parts: string[] = []
  const mode = SERVICE_MODES[status.serviceMode]
  if (isOutOfNormal(status) && mode !== undefined) parts.push(named(mode, language))
  parts.push(motionWords(status, words))
  if (status.carStatus === 1) {
    if (status.speedMps !== undefined) parts.push(words.stateSpeed(Math.abs(status.speedMps).toFixed(1)))
  } else {
    parts.push(doorWords(status, words))
    if (!status.doorZone) parts.push(words.stateBetween)
  }
  parts.push(peopleWords(status, words))
  return parts.join(words.separator)
}

/** The state with its age in mind. A lost lift is lost, whatever it said last. */
export function stateSentence(
  given: { state: LiveState; freshness: Freshness; ageMs: number | undefined; isLinkAway: boolean },
  words: Catalogue,
  language: Language,
): string {
  const { state, freshness, ageMs, isLinkAway } = given
  if (state.status === null || freshness === 'never') return words.stateNever
  const isOffline = state.link === 'offline'
  if (isLinkAway && !isOffline && (freshness === 'lost' || freshness === 'stale'))
    return words.stateLinkAway(statusSentence(state.status, words, language))
  if (freshness === 'lost') return words.stateLost(spanWords(ageMs ?? 0, words))
  return statusSentence(state.status, words, language)
}

/** One line of facts of an alarm: “3 层附近 · 轿内 2 人”. */
export function alarmFacts(alarm: Alarm, nowMs: number, words: Catalogue, language: Language): string {
  const { carPosition, passengerCount, lastHeardAtMs } = alarm.summary
  const parts: string[] = []
  if (carPosition !== null) parts.push(words.alarmNear(carPosition))
  if (alarm.kind === 'entrapment-between-floors' && passengerCount !== null && passengerCount > 0)
    parts.push(words.alarmPassengers(passengerCount))
  if (alarm.kind === 'terminal-offline' && lastHeardAtMs !== null)
    parts.push(words.alarmLastHeard(momentWords(lastHeardAtMs, nowMs, language)))
  else parts.push(words.alarmSince(momentWords(alarm.onsetAtMs, nowMs, language)))
  return parts.join(words.separator)
}

/** The steps of freshness with the ages at which they begin, for the help page. */
export function freshnessRows(words: Catalogue): readonly (readonly [age: string, text: string])[] {
  // In whole minutes where the limit is one: 75 s must not be read as 1 min.
  const limit = (ms: number) =>
    ms % 60_000 === 0 ? words.spanMinutes(ms / 60_000) : words.spanSeconds(Math.round(ms / 1000))
  const [fresh, late, stale] = [limit(FRESHNESS_MS.fresh), limit(FRESHNESS_MS.late), limit(FRESHNESS_MS.stale)]
  const texts = words.helpFreshnessTexts
  return [
    [words.helpFreshnessUnder(fresh), texts.fresh],
    [words.helpFreshnessBetween(fresh, late), texts.late],
    [words.helpFreshnessBetween(late, stale), texts.stale],
    [words.helpFreshnessOver(stale), texts.lost],
  ]
}

export const ageOrNone = (ageMs: number | undefined, words: Catalogue): string =>
  ageMs === undefined ? words.stateNever : ageWords(ageMs, words)
