import { describe, expect, it } from 'vitest'
import type { Alarm, AlarmState, Priority } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'
import { nothingTold, toTell } from '#dashboards/view/src/panels/announcements'
import {
  LINK_AWAY_MS,
  MUTE_P1_MS,
  muteView,
  nextTone,
  silence,
  toggleMute,
  type SoundMemory,
  type Tone,
} from '#dashboards/view/src/sound/schedule'

const TICK_MS = 200
const alarm = (n: number, priority: Priority, state: AlarmState = 'unacknowledged'): Alarm => ({
  id: `lift-001.entrapment-between-floors.${n}` as AlarmId, lift: 'lift-001' as LiftId, kind: 'entrapment-between-floors', priority, state, certainty: 'suspected',
  onsetAtMs: 0, raisedAtMs: 0, returnedAtMs: null, acknowledgedAtMs: null, acknowledgedBy: null, closedAtMs: null, raiseCount: 1,
  summary: { carPosition: null, passengerCount: null, lastHeardAtMs: null }, contractor: null,
}) // prettier-ignore

type Played = readonly [tone: Tone, atS: number]
function listen(
  memory: SoundMemory,
  alarms: readonly Alarm[],
  fromS: number,
  toS: number,
  linkAwaySinceMs?: number,
): Played[] {
  const played: Played[] = []
  for (let atMs = fromS * 1000; atMs < toS * 1000; atMs += TICK_MS) {
    const tone = nextTone(memory, { alarms, linkAwaySinceMs }, atMs)
    if (tone !== undefined) played.push([tone, atMs / 1000])
  }
  return played
}

const again = (repeated: Alarm): Alarm => ({ ...repeated, raiseCount: repeated.raiseCount + 1 })
const scene = (...alarms: Alarm[]) => ({ alarms, linkAwaySinceMs: undefined })

describe('alarm sounds', () => {
  it('repeat people at risk every 4 s until somebody acknowledges, then recall them every 60 s', () => {
    const memory = silence()
    expect(listen(memory, [alarm(1, 1)], 0, 13)).toEqual([
      [1, 0],
      [1, 4],
      [1, 8],
      [1, 12],
    ])
    expect(listen(memory, [alarm(1, 1, 'acknowledged')], 13, 140)).toEqual([
      [1, 72],
      [1, 132],
    ])
    expect(listen(memory, [alarm(1, 1, 'closed')], 140, 300)).toEqual([])
  })

  it('play P2 once and again every 60 s, P3 once, P4 never', () => {
    expect(listen(silence(), [alarm(1, 2)], 0, 125)).toEqual([
      [2, 0],
      [2, 60],
      [2, 120],
    ])
    expect(listen(silence(), [alarm(1, 3)], 0, 300)).toEqual([[3, 0]])
    expect(listen(silence(), [alarm(1, 4)], 0, 300)).toEqual([])
  })

  it('let the loudest unacknowledged one win, and never play two at once', () => {
    const memory = silence()
    expect(listen(memory, [alarm(1, 3), alarm(2, 2), alarm(3, 1)], 0, 9)).toEqual([
      [1, 0],
      [1, 4],
      [1, 8],
    ])
    const after = listen(memory, [alarm(1, 3), alarm(2, 2), alarm(3, 1, 'acknowledged')], 9, 20)
    expect(after.map(([tone]) => tone)).toEqual([2, 3])
    expect((after[1]?.[1] ?? 0) - (after[0]?.[1] ?? 0)).toBeGreaterThanOrEqual(1.5)
  })

  it('announce a lost link after 15 s with its own tone, again every minute, and not while people wait', () => {
    expect(listen(silence(), [], 0, 80, 0)).toEqual([
      ['link', LINK_AWAY_MS / 1000],
      ['link', 75],
    ])
    expect(listen(silence(), [alarm(1, 1)], 0, 30, 0).every(([tone]) => tone === 1)).toBe(true)
  })

  it('mute for 5 min, but people at risk for at most 60 s', () => {
    const memory = silence()
    listen(memory, [alarm(1, 1), alarm(2, 2)], 0, 1)
    toggleMute(memory, scene(alarm(1, 1), alarm(2, 2)), 1_000)
    expect(muteView(memory, scene(alarm(1, 1), alarm(2, 2)), 1_000)).toMatchObject({
      action: 'lift',
      mutedCount: 2,
      leftMs: MUTE_P1_MS,
    })
    expect(muteView(memory, scene(alarm(2, 2)), 1_000).leftMs).toBe(300_000)
    const heard = listen(memory, [alarm(1, 1), alarm(2, 2)], 1, 70)
    expect(heard[0]).toEqual([1, 61])
    expect(listen(memory, [alarm(2, 2)], 70, 300)).toEqual([])
    expect(listen(memory, [alarm(2, 2)], 300, 302)).toEqual([[2, 301]])
  })

  it('do not let a muting cover what comes after it, not even while the muted ones stand', () => {
    const memory = silence()
    listen(memory, [alarm(1, 1)], 0, 1)
    toggleMute(memory, scene(alarm(1, 1)), 1_000)
    expect(listen(memory, [alarm(1, 1), alarm(2, 2)], 1, 5)).toEqual([[2, 1.6]])
    expect(listen(memory, [alarm(1, 1), alarm(9, 1)], 5, 10)).toEqual([
      [1, 5],
      [1, 9],
    ])
  })

  it('have nothing to mute when nothing sounds', () => {
    const memory = silence()
    expect(muteView(memory, scene(alarm(1, 4), alarm(2, 2, 'acknowledged')), 0)).toMatchObject({ action: 'none' })
    toggleMute(memory, scene(), 0)
    expect(listen(memory, [alarm(1, 2)], 1, 2)).toEqual([[2, 1]])
  })

  it('sound again at once when the same alarm is raised again or becomes more urgent', () => {
    const once = silence()
    listen(once, [alarm(1, 3)], 0, 10)
    expect(listen(once, [again(alarm(1, 3))], 10, 20)).toEqual([[3, 10]])

    const muted = silence()
    listen(muted, [alarm(1, 1)], 0, 2)
    toggleMute(muted, scene(alarm(1, 1)), 2_000)
    expect(listen(muted, [alarm(1, 1)], 2, 10)).toEqual([])
    expect(listen(muted, [again(alarm(1, 1))], 10, 12)).toEqual([[1, 10]])

    const urgent = silence()
    listen(urgent, [alarm(1, 2)], 0, 2)
    toggleMute(urgent, scene(alarm(1, 2)), 2_000)
    expect(listen(urgent, [alarm(1, 1)], 3, 5)).toEqual([[1, 3]])
  })

  it('say what the key does: it mutes what sounds, and lifts only when all is muted', () => {
    const memory = silence()
    const [p1, p2, late] = [alarm(1, 1), alarm(2, 2), alarm(3, 1)]
    listen(memory, [p1, p2], 0, 1)
    expect(muteView(memory, scene(p1, p2), 1_000)).toMatchObject({ action: 'mute', mutedCount: 0, isP1Audible: true })
    toggleMute(memory, scene(p1, p2), 1_000)
    expect(muteView(memory, scene(p1, p2, late), 2_000)).toMatchObject({ action: 'mute', mutedCount: 2 })
    listen(memory, [p1, p2, late], 1, 31)
    toggleMute(memory, scene(p1, p2, late), 31_000)
    expect(muteView(memory, scene(p1, p2, late), 31_000)).toMatchObject({ action: 'lift', leftMs: 30_000 })
    // The first one sounds again when its own minute is over: the second press did not prolong it.
    expect(listen(memory, [p1, p2, late], 31, 62)).toEqual([[1, 61]])
    expect(muteView(memory, scene(p1, p2, late), 62_000)).toMatchObject({ action: 'mute', mutedCount: 2 })
  })

  it('keep people at risk silent for at most 60 s however often the key is pressed', () => {
    for (const periodMs of [200, 400, 600, 1_000, 7_400, 59_800]) {
      const memory = silence()
      const played: number[] = []
      for (let atMs = 0; atMs < 600_000; atMs += TICK_MS) {
        if (atMs % periodMs === 0) toggleMute(memory, scene(alarm(1, 1)), atMs)
        if (nextTone(memory, scene(alarm(1, 1)), atMs) !== undefined) played.push(atMs)
      }
      const gaps = played.map((atMs, index) => atMs - (played[index - 1] ?? 0))
      // A muting may begin just before the next tone is due, 4 s after the last.
      expect(Math.max(...gaps), `pressed every ${periodMs} ms`).toBeLessThanOrEqual(MUTE_P1_MS + 4_000)
      expect(played.length).toBeGreaterThan(8)
    }
  })

  it('sound again when the muting is taken back', () => {
    const memory = silence()
    listen(memory, [alarm(1, 2)], 0, 1)
    toggleMute(memory, scene(alarm(1, 2)), 1_000)
    toggleMute(memory, scene(alarm(1, 2)), 2_000)
    expect(muteView(memory, scene(alarm(1, 2)), 2_000)).toMatchObject({ action: 'mute', mutedCount: 0, leftMs: 0 })
    expect(listen(memory, [alarm(1, 2)], 59, 61)).toEqual([[2, 60]])
  })

  it('mute a lost link until it comes back, not the next loss', () => {
    const memory = silence()
    listen(memory, [], 0, 16, 0)
    toggleMute(memory, { alarms: [], linkAwaySinceMs: 0 }, 16_000)
    expect(listen(memory, [], 16, 300, 0)).toEqual([])
    listen(memory, [], 300, 301)
    expect(listen(memory, [], 301, 320, 301_000)).toEqual([['link', 316]])
  })
})

describe('announcements for screen readers', () => {
  const named = () => true
  it('tell all people at risk of one moment together, and each raise once', () => {
    const told = nothingTold()
    const [first, second] = [alarm(1, 1), alarm(2, 1)]
    expect(toTell(told, [first, second, alarm(3, 2)], named, 0)).toEqual({
      urgent: [first, second],
      polite: [alarm(3, 2)],
    })
    expect(toTell(told, [first, second], named, 1_000)).toEqual({ urgent: [], polite: [] })
    expect(toTell(told, [again(first), second], named, 2_000).urgent).toEqual([again(first)])
  })

  it('gather the less urgent ones for 10 s', () => {
    const told = nothingTold()
    toTell(told, [alarm(1, 2)], named, 0)
    expect(toTell(told, [alarm(1, 2), alarm(2, 2)], named, 9_999).polite).toEqual([])
    expect(toTell(told, [alarm(1, 2), alarm(2, 2), alarm(3, 3)], named, 10_000).polite).toEqual([
      alarm(2, 2),
      alarm(3, 3),
    ])
  })

  it('wait for the name of the lift, but not for long', () => {
    const told = nothingTold()
    expect(toTell(told, [alarm(1, 1)], () => false, 0).urgent).toEqual([])
    expect(toTell(told, [alarm(1, 1)], named, 400).urgent).toEqual([alarm(1, 1)])
    toTell(told, [alarm(2, 1)], () => false, 1_000)
    expect(toTell(told, [alarm(2, 1)], () => false, 2_000).urgent).toEqual([alarm(2, 1)])
  })
})
