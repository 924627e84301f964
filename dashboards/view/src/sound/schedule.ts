/** Which tone is due. One at a time, the loudest unacknowledged alarm first; the clock is an argument. */
import type { Alarm } from '#contract/alarms'
import type { AlarmId } from '#contract/ids'
import { isOpen, isWaiting } from '../live/alarm-board.ts'

export type Tone = 1 | 2 | 3 | 'link'

export const P1_PERIOD_MS = 4_000
export const REMINDER_PERIOD_MS = 60_000
/** The link is announced as lost after this long. */
export const LINK_AWAY_MS = 15_000
export const MUTE_MS = 5 * 60_000
/** People at risk are never silenced longer than this. */
export const MUTE_P1_MS = 60_000
/** Tones are never closer than this, so that two never sound together. */
const GAP_MS = 1_500

type Heard = { readonly firstAtMs: number; playedAtMs: number | undefined }
export type SoundMemory = {
  readonly heard: Map<AlarmId, Heard>
  linkPlayedAtMs: number | undefined
  lastAtMs: number
  mutedAtMs: number | undefined
}
export const silence = (): SoundMemory => ({
  heard: new Map(),
  linkPlayedAtMs: undefined,
  lastAtMs: -Infinity,
  mutedAtMs: undefined,
})

export type SoundScene = { readonly alarms: Iterable<Alarm>; readonly linkAwaySinceMs: number | undefined }

/** Mutes, or ends the muting. */
export function toggleMute(memory: SoundMemory, nowMs: number): void {
  memory.mutedAtMs = muteLeftMs(memory, [], nowMs) > 0 ? undefined : nowMs
}

/** How long the muting still lasts for what is sounding now, ms; 0 when it does not hold. */
export function muteLeftMs(memory: SoundMemory, alarms: Iterable<Alarm>, nowMs: number): number {
  if (memory.mutedAtMs === undefined) return 0
  const isP1Waiting = [...alarms].some((alarm) => alarm.priority === 1 && isWaiting(alarm))
  return Math.max(0, memory.mutedAtMs + (isP1Waiting ? MUTE_P1_MS : MUTE_MS) - nowMs)
}

/** How often an alarm sounds in its present state; `once`, or not at all. */
function periodOf(alarm: Alarm): number | 'once' | undefined {
  if (!isOpen(alarm) || alarm.priority === 4) return undefined
  // An acknowledged entrapment is still an entrapment: it is recalled until the people are out.
  if (alarm.state === 'acknowledged') return alarm.priority === 1 ? REMINDER_PERIOD_MS : undefined
  if (alarm.priority === 1) return P1_PERIOD_MS
  return alarm.priority === 2 ? REMINDER_PERIOD_MS : 'once'
}

const isDue = (playedAtMs: number | undefined, period: number | 'once', nowMs: number): boolean =>
  playedAtMs === undefined || (period !== 'once' && nowMs - playedAtMs >= period)

function isMuted(memory: SoundMemory, alarm: Alarm, firstAtMs: number, nowMs: number): boolean {
  if (memory.mutedAtMs === undefined) return false
  if (alarm.priority !== 1) return nowMs < memory.mutedAtMs + MUTE_MS
  // People trapped after the muting are a new fact: it does not cover them.
  return firstAtMs <= memory.mutedAtMs && nowMs < memory.mutedAtMs + MUTE_P1_MS
}

/** The tone to play now, if any. `memory` is moved on; call it several times a second. */
export function nextTone(memory: SoundMemory, scene: SoundScene, nowMs: number): Tone | undefined {
  const alarms = [...scene.alarms].filter((alarm) => periodOf(alarm) !== undefined)
  noteAlarms(memory, alarms, nowMs)
  if (scene.linkAwaySinceMs === undefined) memory.linkPlayedAtMs = undefined
  if (nowMs - memory.lastAtMs < GAP_MS) return undefined
  const isP1Waiting = alarms.some((alarm) => alarm.priority === 1 && isWaiting(alarm))
  const due = alarms.filter((alarm) => {
    const heard = memory.heard.get(alarm.id)
    const period = periodOf(alarm)
    if (heard === undefined || period === undefined) return false
    // While people wait to be noticed nothing else may sound.
    if (isP1Waiting && !(alarm.priority === 1 && isWaiting(alarm))) return false
    return isDue(heard.playedAtMs, period, nowMs) && !isMuted(memory, alarm, heard.firstAtMs, nowMs)
  })
  const priority = due.reduce<1 | 2 | 3 | undefined>(
    (loudest, alarm) =>
      alarm.priority !== 4 && (loudest === undefined || alarm.priority < loudest) ? alarm.priority : loudest,
    undefined,
  )
  if (priority !== undefined && priority <= 2) return play(memory, due, priority, nowMs)
  if (isLinkDue(memory, scene, nowMs) && !isP1Waiting) {
    memory.linkPlayedAtMs = nowMs
    memory.lastAtMs = nowMs
    return 'link'
  }
  return priority === undefined ? undefined : play(memory, due, priority, nowMs)
}

function isLinkDue(memory: SoundMemory, scene: SoundScene, nowMs: number): boolean {
  if (scene.linkAwaySinceMs === undefined || nowMs - scene.linkAwaySinceMs < LINK_AWAY_MS) return false
  if (memory.mutedAtMs !== undefined && nowMs < memory.mutedAtMs + MUTE_MS) return false
  return isDue(memory.linkPlayedAtMs, REMINDER_PERIOD_MS, nowMs)
}

function noteAlarms(memory: SoundMemory, alarms: readonly Alarm[], nowMs: number): void {
  const present = new Set(alarms.map((alarm) => alarm.id))
  for (const id of memory.heard.keys()) if (!present.has(id)) memory.heard.delete(id)
  for (const alarm of alarms)
    if (!memory.heard.has(alarm.id)) memory.heard.set(alarm.id, { firstAtMs: nowMs, playedAtMs: undefined })
}

function play(memory: SoundMemory, due: readonly Alarm[], priority: 1 | 2 | 3, nowMs: number): Tone {
  for (const alarm of due) {
    const heard = memory.heard.get(alarm.id)
    if (alarm.priority === priority && heard !== undefined) heard.playedAtMs = nowMs
  }
  memory.lastAtMs = nowMs
  return priority
}
