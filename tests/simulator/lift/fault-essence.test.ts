import { describe, expect, it } from 'vitest'
import { massKg } from '#simulator/lift/calls'
import { gbt, vendor } from '#simulator/lift/conditions'
import { LIFT_FAULT_NAMES, LIFT_FAULTS, type LiftFaultName } from '#simulator/lift/faults'
import { offLandingMm, opennessAt } from '#simulator/lift/lift-state'
import { DOOR_ZONE_MM, DRIFT_MM_MAX, OVERRUN_MM_MAX, OVERSPEED_FACTOR } from '#simulator/lift/limits'
import { MINUTE_MS, somePlan } from './lift-under-test.ts'

import { codesOf, heightsOf, phasesOf, standsWith, tell, topMm, trappedIn, type Sight } from './fault-story.ts'

/** What each fault is about. */
const ESSENCE: Record<LiftFaultName, () => void> = {
  'door-blocked': () => {
    const story = tell({ name: 'door-blocked' })
    const held = story.during.filter(({ state }) => state.phase === 'held')
    expect(held.length).toBeGreaterThan(10)
    for (const { status, state, atMs } of held) {
      expect(status).toMatchObject({
        doorStatus: 6,
        doorClosed: false,
        carStatus: 0,
        doorZone: true,
        passengerPresent: false,
      })
      expect(opennessAt(state, atMs)).toBeCloseTo(0.5, 6)
    }
    expect(held[0]?.state.counters.doorOpenCount).toBe(story.during[0]?.state.counters.doorOpenCount)
  },
  'door-held-open': () => {
    const story = tell({ name: 'door-held-open' })
    expect(codesOf(story).size).toBe(0)
    const held = story.sights.filter(({ state }) => state.phase === 'kept-open')
    expect((held.at(-1)?.atMs ?? 0) - (held[0]?.atMs ?? 0)).toBeGreaterThan(
      LIFT_FAULTS['door-held-open'].durationMs - 1000,
    )
    expect(held.every(({ status }) => status.doorStatus === 4)).toBe(true)
  },
  'door-will-not-open': () => {
    const trapped = trappedIn(tell({ name: 'door-will-not-open' }))
    for (const { status } of trapped.slice(0, -6))
      expect(status).toMatchObject({ doorZone: true, doorClosed: true, carStatus: 0, passengerPresent: true })
    expect(trapped.some(({ status }) => status.alarmButton)).toBe(true)
  },
  'lock-contact-bounces': () => {
    const story = tell({ name: 'lock-contact-bounces', setting: 'idle' })
    const counts = story.during.map(({ state }) => state.counters)
    expect((counts.at(-1)?.doorOpenCount ?? 0) - (counts[0]?.doorOpenCount ?? 0)).toBeGreaterThan(8)
    expect(counts.at(-1)?.runCount).toBe(counts[0]?.runCount)
    expect(story.during.every(({ status }) => status.doorLockClosed === false)).toBe(true)
  },
  'lock-contact-opens': () => {
    const story = tell({ name: 'lock-contact-opens' })
    const standing = story.during.filter(({ state }) => state.phase === 'stuck')
    expect(
      standing.every(({ status }) => !status.safetyCircuitClosed && !status.doorLockClosed && status.doorClosed),
    ).toBe(true)
    // It heals by itself, and the lift brings them on.
    expect(phasesOf(story)).toContain('rescuing')
  },
  'door-opens-while-running': () => {
    const { during } = tell({ name: 'door-opens-while-running' })
    const open = during.filter(({ truth }) => truth.speedMmps !== 0 && truth.doorOpenness > 0)
    expect(open.length).toBeGreaterThan(0)
    expect(open.every(({ status }) => status.carStatus === 1 && !status.doorClosed)).toBe(true)
    expect(
      during.filter(({ state }) => state.phase === 'stuck-ajar').every(({ truth }) => truth.doorOpenness > 0),
    ).toBe(true)
  },
  'entrapment-between-floors': () => {
    const story = tell({ name: 'entrapment-between-floors', durationMs: 95_000 })
    const stuck = story.sights.filter(({ state }) => state.phase === 'stuck')
    const [first, last] = [stuck[0], stuck.at(-1)]
    expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(94_000)
    for (const { status } of stuck)
      expect(status).toMatchObject({
        doorZone: false,
        doorClosed: true,
        carStatus: 0,
        speedMps: 0,
        passengerPresent: true,
      })
    // Told after 2 s; somebody presses the button from 40 to 45 s.
    expect((standsWith(story, gbt(4))[0]?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(2000)
    const pressed = story.sights.filter(({ status }) => status.alarmButton)
    expect((pressed[0]?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(40_000)
    expect((pressed.at(-1)?.atMs ?? 0) - (pressed[0]?.atMs ?? 0)).toBeLessThan(5000)
  },
  'safety-circuit-open': () => {
    const story = tell({ name: 'safety-circuit-open' })
    const open = story.during.filter(({ status }) => status.safetyCircuitClosed === false)
    expect(open.length).toBeGreaterThan(1000)
    expect(open.every(({ status }) => status.doorLockClosed === status.doorClosed)).toBe(true)
  },
  overspeed: () => {
    for (const ratedMmps of [630, 1000]) {
      const { during } = tell({ name: 'overspeed', plan: somePlan({ ratedMmps }), setting: 'idle' })
      const fastest = Math.max(...during.map(({ truth }) => Math.abs(truth.speedMmps)))
      expect(fastest / ratedMmps).toBeGreaterThan(OVERSPEED_FACTOR)
      expect(fastest / ratedMmps).toBeLessThan(1.25)
    }
  },
  'unintended-movement': () => {
    const { during, plan } = tell({ name: 'unintended-movement' })
    const drifting = during.filter(({ state }) => state.phase === 'drifting')
    expect(drifting.some(({ truth }) => truth.speedMmps !== 0)).toBe(true)
    expect(drifting.every(({ truth }) => truth.doorOpenness === 1)).toBe(true)
    const offMm = Math.max(...during.map(({ truth }) => offLandingMm(plan, truth.heightMm)))
    expect(offMm).toBeGreaterThan(DOOR_ZONE_MM)
    expect(offMm).toBeLessThanOrEqual(DRIFT_MM_MAX)
  },
  'hit-top': () => {
    const story = tell({ name: 'hit-top' })
    expect(Math.max(...heightsOf(story))).toBeGreaterThan(topMm(story.plan) + DOOR_ZONE_MM)
    expect(Math.max(...heightsOf(story))).toBeLessThanOrEqual(topMm(story.plan) + OVERRUN_MM_MAX)
  },
  'hit-bottom': () => {
    const story = tell({ name: 'hit-bottom' })
    expect(Math.min(...heightsOf(story))).toBeLessThan(-DOOR_ZONE_MM)
    expect(Math.min(...heightsOf(story))).toBeGreaterThanOrEqual(-OVERRUN_MM_MAX)
  },
  'run-time-limiter': () => {
    const { during } = tell({ name: 'run-time-limiter' })
    const slipping = during.filter(({ state }) => state.phase === 'slipping')
    expect((slipping.at(-1)?.atMs ?? 0) - (slipping[0]?.atMs ?? 0)).toBeGreaterThan(19_000)
    expect(slipping.every(({ status }) => status.carStatus === 1 && status.speedMps === 0)).toBe(true)
  },
  'encoder-drift': () => {
    const story = tell({ name: 'encoder-drift', isUsed: true })
    const errors = story.during.map(({ status, truth }) => Math.abs((status.positionMm ?? NaN) - truth.heightMm))
    expect(Math.max(...errors)).toBeGreaterThan(45)
    const open = story.during.filter(({ state }) => state.phase === 'open')
    const offMm = open.map(({ truth }) => offLandingMm(story.plan, truth.heightMm))
    expect(Math.max(...offMm)).toBeGreaterThan(20)
    expect(Math.max(...offMm)).toBeLessThanOrEqual(DOOR_ZONE_MM)
    // The correction run ends at the lowest landing, and the error is gone.
    const last = story.during.at(-1)
    expect(last?.state).toMatchObject({ phase: 'rescuing', stop: 0, aboard: [] })
    expect(story.end.positionErrorMm).toBe(0)
  },
  'brake-weak': () => {
    const story = tell({ name: 'brake-weak', isUsed: true })
    const backMm = story.during
      .filter(({ state, truth }) => state.phase === 'levelling' && truth.speedMmps !== 0)
      .map(({ state, truth }) => truth.speedMmps * state.direction)
    expect(backMm.length).toBeGreaterThan(5)
    expect(Math.min(...backMm)).toBeLessThan(0)
  },
  'cannot-restart': () => {
    const story = tell({ name: 'cannot-restart' })
    const out = story.during.filter(({ state }) => state.phase === 'out-of-service')
    expect(out.length).toBeGreaterThan(100)
    expect(out.every(({ status }) => status.serviceMode === 0 && !status.passengerPresent)).toBe(true)
  },
  'controller-overheats': () => {
    const { during, sights } = tell({ name: 'controller-overheats' })
    const hottest = Math.max(...during.map(({ status }) => status.temperatureC ?? NaN))
    expect(hottest - (sights[0]?.status.temperatureC ?? NaN)).toBeGreaterThan(30)
    // It gets hot while the lift still runs, and cools slowly afterwards.
    const outAt = during.find(({ state }) => state.phase === 'out-of-service')
    expect(outAt?.status.temperatureC).toBeGreaterThan(hottest - 5)
    const after = sights.find(({ truth, atMs }) => truth.fault === null && atMs > (during.at(-1)?.atMs ?? 0))
    expect(after?.status.temperatureC).toBeGreaterThan(hottest - 5)
    expect(sights.at(-1)?.status.temperatureC).toBeLessThan(hottest - 20)
  },
  'button-stuck': () => {
    const story = tell({ name: 'button-stuck', isUsed: true })
    const visits = story.during.filter(
      ({ state }, index) =>
        state.phase === 'opening' && state.stop === 2 && story.during[index - 1]?.state.phase === 'levelling',
    )
    expect(visits.filter(({ state }) => state.aboard.length === 0).length).toBeGreaterThan(5)
  },
  'power-cut': () => {
    const story = tell({ name: 'power-cut' })
    expect(codesOf(story)).toContain('gbt24476 46')
    expect(story.during.every(({ status }) => status.powerSource === 'battery')).toBe(true)
    const out = story.during.filter(({ status }) => status.serviceMode === 0)
    expect(out.length).toBeGreaterThan(100)
    expect(out.every(({ status }) => !status.passengerPresent && status.doorZone && status.doorClosed)).toBe(true)
    const energies = story.during.map(({ state }) => state.counters.energyKWh)
    expect(story.during.every(({ state }) => state.standbySinceMs === null)).toBe(true)
    expect(energies.at(-1)).toBeGreaterThan(0)
  },
  'power-cut-flat-battery': () => {
    const story = tell({ name: 'power-cut-flat-battery' })
    const trapped = trappedIn(story)
    expect((trapped.at(-1)?.atMs ?? 0) - (trapped[0]?.atMs ?? 0)).toBeGreaterThan(14 * MINUTE_MS)
    // A controller without power says nothing of where it stands.
    expect(codesOf(story)).toEqual(new Set(['gbt24476 41', 'gbt24476 90']))
  },
  'e-bike': () => {
    const story = tell({ name: 'e-bike' })
    for (const { state } of standsWith(story, vendor(37))) expect(state.aboard).toContainEqual(state.fault?.group)
    expect(story.during.every(({ state }) => massKg(state.aboard) >= 125)).toBe(true)
  },
  vandalism: () => {
    const story = tell({ name: 'vandalism' })
    const pressed = story.sights.filter(
      ({ status }, index) => status.alarmButton && story.sights[index - 1]?.status.alarmButton !== true,
    )
    expect(pressed.length).toBe(2)
    expect(trappedIn(story)).toEqual([])
    expect(phasesOf(story)).toContain('held')
  },
  'alarm-by-mistake': () => {
    const story = tell({ name: 'alarm-by-mistake', setting: 'idle' })
    const pressed = story.sights.filter(({ status }) => status.alarmButton)
    expect((pressed.at(-1)?.atMs ?? 0) - (pressed[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(3000)
    expect(pressed.every(({ status }) => status.passengerPresent && status.serviceMode === 1)).toBe(true)
    expect(story.end.deliveredCount).toBe(2)
  },
  'fire-recall': () => {
    const { during } = tell({ name: 'fire-recall' })
    const resting = during.filter(({ state }) => state.phase === 'kept-open')
    expect(resting.length).toBeGreaterThan(500)
    expect(
      resting.every(({ status, truth }) => status.serviceMode === 3 && truth.heightMm === 0 && status.doorStatus === 4),
    ).toBe(true)
    expect(during.filter(({ state }) => state.phase === 'open').every(({ state }) => state.stop === 0)).toBe(true)
  },
  firefighter: () => {
    const { during, plan } = tell({ name: 'firefighter' })
    const riding = during.filter(({ state, status }) => state.phase === 'running' && status.serviceMode === 4)
    expect(riding.some(({ state }) => massKg(state.aboard) === 210)).toBe(true)
    expect(Math.max(...during.map(({ truth }) => truth.heightMm))).toBe(topMm(plan))
  },
  inspection: () => {
    const { during } = tell({ name: 'inspection' })
    const moving = during.filter(({ state }) => state.phase === 'inspecting')
    expect(Math.max(...moving.map(({ truth }) => Math.abs(truth.speedMmps)))).toBe(300)
    expect(moving.every(({ status }) => status.serviceMode === 2 && !status.passengerPresent)).toBe(true)
    const halts = during.filter(({ state }) => state.phase === 'inspecting-halt')
    expect(halts.some(({ status }) => !status.doorZone)).toBe(true)
  },
  'water-in-pit': () => {
    const { during } = tell({ name: 'water-in-pit', setting: 'idle' })
    const resting = during.filter(({ state }) => state.phase === 'out-of-service')
    expect(resting.length).toBeGreaterThan(1000)
    expect(resting.every(({ state, status }) => state.stop === 1 && status.safetyCircuitClosed === false)).toBe(true)
  },
  earthquake: () => {
    const { during } = tell({ name: 'earthquake' })
    const resting = during.filter(({ state }) => state.phase === 'kept-open')
    expect(resting.length).toBeGreaterThan(500)
    expect(resting.every(({ status, state }) => status.serviceMode === 6 && state.aboard.length === 0)).toBe(true)
    // The nearest landing at which a car that has just left the lowest one can stop.
    expect(resting[0]?.state.stop).toBe(1)
  },
  'abnormal-vibration': () => {
    const story = tell({ name: 'abnormal-vibration', isUsed: true, durationMs: 20 * MINUTE_MS })
    const shaking = (sights: readonly Sight[]) =>
      sights.filter(({ truth }) => Math.abs(truth.speedMmps) === 1000).map(({ status }) => status.vibrationMg ?? NaN)
    const healthy = shaking(story.sights.filter(({ truth }) => truth.fault === null))
    expect(Math.min(...shaking(story.during))).toBeGreaterThan(2 * Math.max(...healthy))
  },
}

describe('what each fault does', () => {
  it.each(LIFT_FAULT_NAMES)('%s', (name) => ESSENCE[name]())
})
