import { describe, expect, it } from 'vitest'
import type { Alarm, AlarmState, Priority } from '#contract/alarms'
import type { AlarmId, LiftId } from '#contract/ids'
import {
  LINK_AWAY_MS,
  MUTE_P1_MS,
  muteLeftMs,
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
    toggleMute(memory, 1_000)
    expect(muteLeftMs(memory, [alarm(1, 1)], 1_000)).toBe(MUTE_P1_MS)
    expect(muteLeftMs(memory, [alarm(2, 2)], 1_000)).toBe(300_000)
    const heard = listen(memory, [alarm(1, 1), alarm(2, 2)], 1, 70)
    expect(heard[0]).toEqual([1, 61])
    expect(listen(memory, [alarm(2, 2)], 70, 300)).toEqual([])
    expect(listen(memory, [alarm(2, 2)], 300, 302)).toEqual([[2, 301]])
  })

  it('do not let a muting cover people who are trapped after it', () => {
    const memory = silence()
    toggleMute(memory, 0)
    expect(listen(memory, [alarm(9, 1)], 5, 10)).toEqual([
      [1, 5],
      [1, 9],
    ])
  })

  it('sound again when the muting is taken back', () => {
    const memory = silence()
    listen(memory, [alarm(1, 2)], 0, 1)
    toggleMute(memory, 1_000)
    toggleMute(memory, 2_000)
    expect(muteLeftMs(memory, [], 2_000)).toBe(0)
    expect(listen(memory, [alarm(1, 2)], 59, 61)).toEqual([[2, 60]])
  })
})
