/** Which tone is due. One at a time, the loudest unacknowledged alarm first; the clock is an argument. */
import type { Alarm } from '#contract/alarms'
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

/** One raise of an alarm at one priority: raised again, or become more urgent, it is a new one to the ear. */
type HeardKey = string
const keyOf = (alarm: Alarm): HeardKey => `${alarm.id} ${alarm.raiseCount} ${alarm.priority}`
type Heard = {
  playedAtMs: number | undefined
  isMuted: boolean
  /** When its silence began; stays after the muting was taken back, until it has sounded again. */
  mutedAtMs: number | undefined
}
export type SoundMemory = {
  readonly heard: Map<HeardKey, Heard>
  linkPlayedAtMs: number | undefined
  linkMutedAtMs: number | undefined
  lastAtMs: number
}
export const silence = (): SoundMemory => ({
  heard: new Map(),
  linkPlayedAtMs: undefined,
  linkMutedAtMs: undefined,
  lastAtMs: -Infinity,
})

export type SoundScene = { readonly alarms: Iterable<Alarm>; readonly linkAwaySinceMs: number | undefined }

/** What sounds or would sound, and how much of it is muted: what the label says and the key acts on. */
export type MuteView = {
  /** `mute` covers everything that still sounds, `lift` ends the muting, `none`: nothing sounds. */
  readonly action: 'mute' | 'lift' | 'none'
  readonly mutedCount: number
  /** Until the first of the muted ones sounds again, ms; 0 with nothing muted. */
  readonly leftMs: number
  /** Whether people at risk are among those that `mute` would cover. */
  readonly isP1Audible: boolean
}

export function muteView(memory: SoundMemory, scene: SoundScene, nowMs: number): MuteView {
  const left: number[] = []
  let audibleCount = 0
  let isP1Audible = false
  const count = (leftMs: number, isP1: boolean) => {
    if (leftMs > 0) left.push(leftMs)
    else {
      audibleCount += 1
      isP1Audible ||= isP1
    }
  }
  for (const alarm of scene.alarms)
    if (stillSounds(memory, alarm)) count(mutedUntilMs(memory, alarm) - nowMs, alarm.priority === 1)
  if (isLinkLost(scene, nowMs)) count(linkMutedUntilMs(memory) - nowMs, false)
  return {
    action: audibleCount > 0 ? 'mute' : left.length > 0 ? 'lift' : 'none',
    mutedCount: left.length,
    leftMs: left.length === 0 ? 0 : Math.min(...left),
    isP1Audible,
  }
}

/**
 * Does what `muteView` names. A muting covers only what stands now. For people at risk it is counted from when they fell
 * silent, so that no order of presses keeps them silent for longer than `MUTE_P1_MS`.
 */
export function toggleMute(memory: SoundMemory, scene: SoundScene, nowMs: number): void {
  const { action } = muteView(memory, scene, nowMs)
  if (action === 'lift') {
    for (const heard of memory.heard.values()) heard.isMuted = false
    memory.linkMutedAtMs = undefined
  }
  if (action !== 'mute') return
  const alarms = [...scene.alarms].filter((alarm) => stillSounds(memory, alarm))
  for (const alarm of alarms) {
    const heard = memory.heard.get(keyOf(alarm)) ?? unheard()
    memory.heard.set(keyOf(alarm), heard)
    const isStillSilent = heard.mutedAtMs !== undefined && (heard.playedAtMs ?? -Infinity) <= heard.mutedAtMs
    if (alarm.priority !== 1 || !isStillSilent) heard.mutedAtMs = nowMs
    heard.isMuted = true
  }
  if (isLinkLost(scene, nowMs)) memory.linkMutedAtMs = nowMs
}

const unheard = (): Heard => ({ playedAtMs: undefined, isMuted: false, mutedAtMs: undefined })

function mutedUntilMs(memory: SoundMemory, alarm: Alarm): number {
  const heard = memory.heard.get(keyOf(alarm))
  if (heard?.mutedAtMs === undefined || !heard.isMuted) return -Infinity
  return heard.mutedAtMs + (alarm.priority === 1 ? MUTE_P1_MS : MUTE_MS)
}
const linkMutedUntilMs = (memory: SoundMemory): number => (memory.linkMutedAtMs ?? -Infinity) + MUTE_MS

/** Sounds now or will: what sounds only once and has done so does not count any more. */
function stillSounds(memory: SoundMemory, alarm: Alarm): boolean {
  const period = periodOf(alarm)
  return period === 'once' ? memory.heard.get(keyOf(alarm))?.playedAtMs === undefined : period !== undefined
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

/** The tone to play now, if any. `memory` is moved on; call it several times a second. */
export function nextTone(memory: SoundMemory, scene: SoundScene, nowMs: number): Tone | undefined {
  const alarms = [...scene.alarms].filter((alarm) => periodOf(alarm) !== undefined)
  noteAlarms(memory, alarms)
  if (scene.linkAwaySinceMs === undefined) {
    memory.linkPlayedAtMs = undefined
    memory.linkMutedAtMs = undefined
  }
  if (nowMs - memory.lastAtMs < GAP_MS) return undefined
  const isMuted = (alarm: Alarm) => nowMs < mutedUntilMs(memory, alarm)
  // Those that are muted do not keep a new alarm, which the muting does not cover, from being heard.
  const isP1Waiting = alarms.some((alarm) => alarm.priority === 1 && isWaiting(alarm) && !isMuted(alarm))
  const due = alarms.filter((alarm) => {
    const heard = memory.heard.get(keyOf(alarm))
    const period = periodOf(alarm)
    if (heard === undefined || period === undefined) return false
    // While people wait to be noticed nothing else may sound.
    if (isP1Waiting && !(alarm.priority === 1 && isWaiting(alarm))) return false
    return isDue(heard.playedAtMs, period, nowMs) && !isMuted(alarm)
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

const isLinkLost = (scene: SoundScene, nowMs: number): boolean =>
  scene.linkAwaySinceMs !== undefined && nowMs - scene.linkAwaySinceMs >= LINK_AWAY_MS

const isLinkDue = (memory: SoundMemory, scene: SoundScene, nowMs: number): boolean =>
  isLinkLost(scene, nowMs) &&
  nowMs >= linkMutedUntilMs(memory) &&
  isDue(memory.linkPlayedAtMs, REMINDER_PERIOD_MS, nowMs)

function noteAlarms(memory: SoundMemory, alarms: readonly Alarm[]): void {
  const present = new Set(alarms.map(keyOf))
  for (const key of memory.heard.keys()) if (!present.has(key)) memory.heard.delete(key)
  for (const key of present) if (!memory.heard.has(key)) memory.heard.set(key, unheard())
}

function play(memory: SoundMemory, due: readonly Alarm[], priority: 1 | 2 | 3, nowMs: number): Tone {
  for (const alarm of due) {
    const heard = memory.heard.get(keyOf(alarm))
    if (alarm.priority === priority && heard !== undefined) heard.playedAtMs = nowMs
  }
  memory.lastAtMs = nowMs
  return priority
}
