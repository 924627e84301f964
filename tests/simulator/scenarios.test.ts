import { describe, expect, it } from 'vitest'
import type { Message, Status } from '#contract/telemetry'
import { RandomStream } from '#simulator/random'
import { DEMONSTRATED_NAMES, drawScenario, type ScenarioName } from '#simulator/scenarios'
import { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'

const START_MS = Date.parse('2026-11-21T16:00:00+08:00')

type Said = ({ kind: 'status' } & Status) | ({ kind: 'message'; said: Message } & { sampledAtMs: number })

/** What one lift says from a scenario on, statuses and messages alone. */
function play(o: { name: ScenarioName; durationMs: number; index: number; playAtMs: number; spanMs: number }): Said[] {
  const { lifts, terminals } = generateTown({ seed: 20, liftCount: 120, boundAtMs: START_MS })
  const [lift, terminal] = [lifts[o.index], terminals[o.index]]
  if (lift === undefined || terminal === undefined) throw new Error('the town has that lift')
  const simulated = new SimulatedLift({ lift, serial: terminal.serial, seed: 20, speed: 1, startAtMs: START_MS })
  simulated.advance(START_MS + o.playAtMs)
  const { played, spoken } = simulated.play(o.name, o.durationMs, START_MS + o.playAtMs)
  expect(played).toBe(true)
  expect(simulated.play(o.name, o.durationMs, START_MS + o.playAtMs).played).toBe(false)
  spoken.push(...simulated.advance(START_MS + o.playAtMs + o.spanMs))
  expect(simulated.state.fault).toBeNull()
  expect(simulated.state.conditions).toEqual([])
  return spoken.flatMap(({ kind, payload }): Said[] => {
    const body = JSON.parse(payload) as Status & Message
    if (kind === 'status') return [{ ...body, kind }]
    return kind === 'message' ? [{ kind, said: body, sampledAtMs: body.occurredAtMs }] : []
  })
}

const statusesOf = (said: readonly Said[]) => said.filter((one) => one.kind === 'status')
const messagesOf = (said: readonly Said[]) =>
  said.filter((one) => one.kind === 'message').map(({ said: message }) => message)
const isTrapped = (status: Status) =>
  status.passengerPresent && status.carStatus === 0 && !status.doorZone && status.doorClosed && status.speedMps === 0

// Different lifts at different moments: idle, doors open, running with people, running without.
const moments = Array.from({ length: 60 }, (_, index) => ({ index, playAtMs: 60_000 + index * 7919 }))

describe('entrapment between floors', () => {
  it('holds people between two landings behind closed doors for its duration, with a heartbeat, and lets them out', () => {
    for (const moment of moments) {
      const durationMs = 95_000
      const said = play({ name: 'entrapment-between-floors', durationMs, spanMs: 15 * 60_000, ...moment })
      const statuses = statusesOf(said)
      const first = statuses.findIndex(isTrapped)
      const last = statuses.findLastIndex(isTrapped)
      expect(first, JSON.stringify(moment)).toBeGreaterThanOrEqual(0)
      const trapped = statuses.slice(first, last + 1)
      expect(trapped.every(isTrapped)).toBe(true)
      const after = statuses[last + 1]
      const [beginMs, endMs] = [trapped[0]?.sampledAtMs ?? 0, after?.sampledAtMs ?? 0]
      // It is counted from when the brake falls in; the car stands within the next second.
      expect(endMs - beginMs).toBeLessThanOrEqual(durationMs)
      expect(endMs - beginMs).toBeGreaterThan(durationMs - 1000)
      expect(beginMs - START_MS - moment.playAtMs).toBeLessThan(3 * 60_000)
      ;[...trapped, after].reduce((before, status) => {
        expect((status?.sampledAtMs ?? Infinity) - (before?.sampledAtMs ?? 0)).toBeLessThanOrEqual(10_000)
        return status
      }, trapped[0])
      // It creeps to a landing, opens and everybody leaves.
      expect(after).toMatchObject({ carStatus: 1, doorClosed: true, passengerPresent: true })
      const open = statuses.slice(last).find(({ doorStatus }) => doorStatus === 4)
      expect(open?.doorZone).toBe(true)
      expect(statuses.slice(last).find(({ passengerPresent }) => !passengerPresent)?.doorStatus).toBe(4)
    }
  })

  it('is told by the controller as a stop outside the unlocking zone, and the alarm button is pressed', () => {
    const said = messagesOf(
      play({ name: 'entrapment-between-floors', durationMs: 95_000, spanMs: 600_000, index: 4, playAtMs: 1000 }),
    )
    expect(said.map(({ codeSet, code, kind, raised }) => ({ codeSet, code, kind, raised }))).toEqual([
      { codeSet: 'gbt24476', code: 4, kind: 'fault', raised: true },
      { codeSet: 'gbt24476', code: 90, kind: 'alarm', raised: true },
      { codeSet: 'gbt24476', code: 90, kind: 'alarm', raised: false },
      { codeSet: 'gbt24476', code: 4, kind: 'fault', raised: false },
    ])
    expect(said[0]?.id).toBe(said[3]?.id)
    expect(said[1]?.id).toBe(said[2]?.id)
    expect(said[0]?.snapshot).toMatchObject({ passengerPresent: true, doorZone: false, doorClosed: true, carStatus: 0 })
  })
})

describe('a door that is blocked', () => {
  it('opens again three times, is held and reported, and closes when it is free', () => {
    for (const moment of moments.slice(0, 20)) {
      const said = play({ name: 'door-blocked', durationMs: 120_000, spanMs: 15 * 60_000, ...moment })
      expect(messagesOf(said).map(({ code, raised }) => [code, raised])).toEqual([
        [2, true],
        [2, false],
      ])
      const held = statusesOf(said).filter(({ doorStatus }) => doorStatus === 6)
      expect(held.length).toBeGreaterThan(3)
      expect(held.every(({ doorClosed, carStatus, doorZone }) => !doorClosed && carStatus === 0 && doorZone)).toBe(true)
    }
  })
})

describe('a power cut', () => {
  it('brings the car to a landing on battery, lets everybody out, and takes the lift out of service until the mains are back', () => {
    for (const moment of moments.slice(0, 30)) {
      const said = play({ name: 'power-cut', durationMs: 180_000, spanMs: 10 * 60_000, ...moment })
      const codes = messagesOf(said).map(({ code, raised }) => `${code} ${raised ? 'raised' : 'cleared'}`)
      expect(codes[0]).toBe('41 raised')
      expect(codes).toContain('42 raised')
      expect([...codes].sort().filter((code) => code.endsWith('raised')).length * 2).toBe(codes.length)
      const statuses = statusesOf(said)
      const dark = statuses.filter(({ powerSource }) => powerSource === 'battery')
      expect(dark.some(({ serviceMode }) => serviceMode === 0)).toBe(true)
      expect(
        dark.filter(({ serviceMode }) => serviceMode === 0).every(({ passengerPresent }) => !passengerPresent),
      ).toBe(true)
      // Nobody is trapped long enough for an alarm of entrapment.
      let sinceMs: number | undefined
      for (const status of statuses) {
        sinceMs = isTrapped(status) ? (sinceMs ?? status.sampledAtMs) : undefined
        if (sinceMs !== undefined) expect(status.sampledAtMs - sinceMs).toBeLessThan(10_000)
      }
      expect(statuses.at(-1)).toMatchObject({ powerSource: 'mains', serviceMode: 1 })
    }
  })
})

describe('random scenarios', () => {
  it('are drawn from all that a demonstration shows, the same ones for the same seed', () => {
    const { lifts } = generateTown({ seed: 20, liftCount: 120, boundAtMs: START_MS })
    const draw = (seed: number) => {
      const random = new RandomStream(seed)
      const ids = lifts.map(({ id }) => id)
      return Array.from({ length: 200 }, () => drawScenario(random, ids))
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
    expect(new Set(draw(1).map(({ name }) => name))).toEqual(new Set(DEMONSTRATED_NAMES))
    expect(draw(1).every(({ durationMs = 0 }) => durationMs >= 30_000)).toBe(true)
  })
})
