import { describe, expect, it } from 'vitest'
import { faultOf } from '#contract/faults'
import {
  beginFault,
  FAULT_CAUSES,
  LIFT_FAULT_NAMES,
  LIFT_FAULTS,
  rescueAnswer,
  rescueLift,
} from '#simulator/lift/faults'
import { advanceLift, callLift, nextChangeAtMs, startLift } from '#simulator/lift/lift'
import { heightMmAt, kinematicsOf, offLandingMm, opennessAt } from '#simulator/lift/lift-state'
import { DOOR_ZONE_MM } from '#simulator/lift/limits'
import { PHASES } from '#simulator/lift/phases'
import { truthAt } from '#simulator/lift/truth'
import { MINUTE_MS, somePlan, START_MS } from './lift-under-test.ts'
import { codesOf, group, SETTINGS, tell, text, trappedIn, type Setting } from './fault-story.ts'

describe('the table of lift faults', () => {
  it('has a row for each name, in both languages, with codes that the fault table knows', () => {
    expect(new Set(LIFT_FAULT_NAMES)).toEqual(new Set(Object.keys(LIFT_FAULTS)))
    for (const name of LIFT_FAULT_NAMES) {
      const { zh, en, codes, durationMs, spreadMs } = LIFT_FAULTS[name]
      expect(zh).toMatch(/\p{Script=Han}/u)
      expect(en).toMatch(/^[a-z]/)
      expect(durationMs - spreadMs / 2).toBeGreaterThan(10_000)
      for (const { codeSet, code } of codes) expect(faultOf(codeSet, code), `${name} ${code}`).toBeDefined()
    }
  })

  it('mixes causes as they are in real life, and three faults a year trap somebody every ten years', () => {
    const shares = Object.fromEntries(FAULT_CAUSES.map((cause) => [cause, 0]))
    let trapping = 0
    for (const { cause, weight, traps } of Object.values(LIFT_FAULTS)) {
      shares[cause] = (shares[cause] ?? 0) + weight
      if (traps !== null) trapping += weight
    }
    expect(shares['door']).toBeCloseTo(45, 6)
    expect(shares['control']).toBeCloseTo(15, 6)
    expect(shares['power']).toBeCloseTo(12, 6)
    expect(shares['human']).toBeCloseTo(18, 6)
    expect((shares['external'] ?? 0) + (shares['other'] ?? 0)).toBeCloseTo(10, 6)
    expect((3 * trapping) / 100).toBeCloseTo(0.1, 2)
  })
})

describe.each(LIFT_FAULT_NAMES)('%s', (name) => {
  const { codes, traps } = LIFT_FAULTS[name]

  it.each(Object.keys(SETTINGS) as Setting[])(
    'shows its codes on a lift that is %s, clears them, and the lift serves again',
    (setting) => {
      const story = tell({ name, setting })
      const shown = codesOf(story)
      for (const code of codes) {
        expect(shown, `${name} ${text(code)}`).toContain(text(code))
      }
      expect(story.during.length).toBeGreaterThan(0)
      expect(story.end).toMatchObject({
        fault: null,
        conditions: [],
        serviceMode: 1,
        alarmButton: false,
        trapped: null,
      })
      expect(story.end.waiting).toEqual([])
      const called = callLift(story.plan, story.end, group(2, 4), story.endMs)
      const served = advanceLift(story.plan, called, story.endMs + 3 * MINUTE_MS)
      expect(served.deliveredCount).toBe(story.end.deliveredCount + 1)
    },
  )

  it('traps people only if its row says so, where it says so, and lets them out in the end', () => {
    for (const setting of ['running', 'full'] as const) {
      const trapped = trappedIn(tell({ name, setting }))
      // A car that its battery brings to a landing holds its people for less than a minute.
      if (traps === null) {
        const [first, last] = [trapped[0], trapped.at(-1)]
        expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeLessThan(MINUTE_MS)
        if (name !== 'power-cut') expect(trapped).toEqual([])
        continue
      }
      expect(trapped.length).toBeGreaterThan(20)
      for (const { truth, state, atMs } of trapped) {
        expect(truth.trapped?.place).toBe(traps)
        expect(truth.trapped?.peopleCount).toBe(truth.peopleInCar)
        expect(truth.trapped?.sinceMs).toBeLessThanOrEqual(atMs)
        expect(truth.peopleInCar).toBeGreaterThan(0)
        expect(state.phase).not.toBe('open')
      }
      // It begins when the car stands and ends when the doors are open at a landing.
      const [first] = trapped
      expect(first?.truth.speedMmps).toBe(0)
    }
  })

  it('is refused while another fault lasts', () => {
    const plan = somePlan({})
    const begun = beginFault(plan, startLift(plan, START_MS), { name, durationMs: MINUTE_MS }, START_MS)
    expect(begun?.fault?.name).toBe(name)
    if (begun !== undefined)
      expect(beginFault(plan, begun, { name: 'power-cut', durationMs: 1 }, START_MS + 1)).toBeUndefined()
  })
})

describe('a fault that is put upon a lift', () => {
  it.each(LIFT_FAULT_NAMES)('at any moment ends, and all who came are served or walk: %s', (name) => {
    const plan = somePlan({ ratedLoadKg: 320 })
    const durationMs = 2 * MINUTE_MS
    // Each is too heavy for the other, so that the second has to step out again.
    let state = callLift(plan, startLift(plan, START_MS), group(0, 4, { count: 3, massKg: 250 }), START_MS)
    state = callLift(plan, state, group(0, 3, { count: 2, massKg: 160 }), START_MS)
    const seen = new Set<string>()
    for (let atMs = nextChangeAtMs(state); seen.size < 60 && atMs < Infinity; atMs = nextChangeAtMs(state)) {
      state = advanceLift(plan, state, atMs)
      seen.add(`${seen.size} ${state.phase}`)
      const begun = beginFault(plan, state, { name, durationMs }, atMs)
      if (begun === undefined) throw new Error('refused')
      const end = advanceLift(plan, begun, atMs + 60 * MINUTE_MS)
      expect(end, `${name} begun while ${state.phase}`).toMatchObject({ fault: null, phase: 'idle', aboard: [] })
      expect(end.arrivedCount).toBe(end.deliveredCount + end.stairsCount)
      if (state.phase === 'idle') break
    }
    expect([...seen].some((phase) => phase.endsWith('overloaded'))).toBe(true)
  })
})

describe('a state', () => {
  it.each(LIFT_FAULT_NAMES)(
    'is plain data: a lift that is copied at each change lives on just the same, with %s',
    (name) => {
      const plan = somePlan({})
      const idle = callLift(plan, startLift(plan, START_MS), group(0, 4), START_MS)
      const begun = beginFault(plan, idle, { name, durationMs: 3 * MINUTE_MS }, START_MS)
      if (begun === undefined) throw new Error('refused')
      const endMs = START_MS + 30 * MINUTE_MS
      let copied = structuredClone(begun)
      for (let atMs = nextChangeAtMs(copied); atMs <= endMs; atMs = nextChangeAtMs(copied))
        copied = structuredClone(advanceLift(plan, copied, atMs))
      expect(copied).toEqual(advanceLift(plan, begun, endMs))
    },
  )
})

describe('power cuts at any moment of a run', () => {
  const rides = [group(0, 5), group(0, 1), group(4, 2)]
  it.each(['power-cut', 'power-cut-flat-battery'] as const)('%s holds people where the car stands', (name) => {
    const plan = somePlan({ ratedMmps: 630 })
    let state = startLift(plan, START_MS)
    for (const ride of rides) state = callLift(plan, state, ride, START_MS)
    const places = { between: 0, 'at-level': 0 }
    for (let atMs = START_MS; atMs < START_MS + 90_000; atMs += 37) {
      state = advanceLift(plan, state, atMs)
      let cut = beginFault(plan, state, { name, durationMs: 2 * MINUTE_MS }, atMs)
      if (cut === undefined) throw new Error('refused')
      let since: number | undefined
      for (let seenMs = atMs; seenMs < atMs + 60_000; seenMs = nextChangeAtMs(cut)) {
        cut = advanceLift(plan, cut, seenMs)
        const { trapped, heightMm } = truthAt(plan, cut, seenMs)
        if (trapped === null || trapped.sinceMs === since) continue
        since = trapped.sinceMs
        expect(trapped.place, `${seenMs - START_MS}`).toBe(
          offLandingMm(plan, heightMm) > DOOR_ZONE_MM ? 'between' : 'at-level',
        )
        places[trapped.place] += 1
      }
    }
    expect(places.between).toBeGreaterThan(100)
    if (name === 'power-cut') expect(places['at-level']).toBeGreaterThan(10)
  })

  it('a flat battery traps people whenever the fault comes, and the controller says no more than that its power went', () => {
    const plan = somePlan({})
    let state = callLift(plan, startLift(plan, START_MS), group(0, 5), START_MS)
    const durationMs = 3 * MINUTE_MS
    for (let atMs = START_MS; atMs < START_MS + 2 * MINUTE_MS; atMs += 1370) {
      state = advanceLift(plan, state, atMs)
      let cut = beginFault(plan, state, { name: 'power-cut-flat-battery', durationMs }, atMs)
      if (cut === undefined) throw new Error('refused')
      // A car that just runs to somebody holds nobody.
      if (state.phase === 'running' && state.aboard.length === 0) continue
      let trappedMs = 0
      let isRescued = false
      for (let seenMs = atMs; cut.fault !== null; seenMs = Math.min(nextChangeAtMs(cut), seenMs + 500)) {
        cut = advanceLift(plan, cut, seenMs)
        if (cut.trapped !== null) trappedMs = seenMs - cut.trapped.sinceMs
        if (trappedMs > MINUTE_MS && !isRescued) {
          isRescued = true
          cut = rescueLift(plan, cut, seenMs)
        }
        expect(cut.conditions.filter(({ code }) => code !== 41 && code !== 90)).toEqual([])
        expect(cut.serviceMode).toBe(1)
      }
      expect(trappedMs, `${atMs - START_MS}`).toBeGreaterThan(MINUTE_MS)
    }
  })
})

describe('a mechanic', () => {
  it.each(LIFT_FAULT_NAMES.filter((name) => LIFT_FAULTS[name].traps !== null))(
    'lets out those whom %s trapped',
    (name) => {
      const story = tell({ name, durationMs: 90 * MINUTE_MS, rescueAfterMs: 10 * MINUTE_MS })
      const trapped = trappedIn(story)
      const heldMs = (trapped.at(-1)?.atMs ?? 0) - (trapped[0]?.truth.trapped?.sinceMs ?? 0)
      expect(heldMs).toBeGreaterThanOrEqual(10 * MINUTE_MS - 500)
      // The way to the landing at creeping speed, and the doors.
      expect(heldMs).toBeLessThan(11 * MINUTE_MS)
      if (name !== 'power-cut-flat-battery') return
      // The mains stay away: people are out, the lift is not.
      const out = story.sights.filter(({ state }) => state.phase === 'out-of-service')
      expect((out.at(-1)?.atMs ?? 0) - (out[0]?.atMs ?? 0)).toBeGreaterThan(60 * MINUTE_MS)
    },
  )

  it('finds nobody trapped, people to let out, or people who are being let out', () => {
    const plan = somePlan({})
    const durationMs = 10 * MINUTE_MS
    let state = callLift(plan, startLift(plan, START_MS), group(0, 5), START_MS)
    expect(rescueAnswer(state)).toBe('nobody-trapped')
    let atMs = START_MS
    state = beginFault(plan, state, { name: 'safety-circuit-open', durationMs }, atMs) ?? state
    while (state.trapped === null) state = advanceLift(plan, state, (atMs = nextChangeAtMs(state)))
    expect(rescueAnswer(state)).toBe('begins')
    state = rescueLift(plan, state, atMs)
    expect(rescueAnswer(state)).toBe('under-way')
    expect(rescueLift(plan, state, atMs)).toBe(state)
    expect(rescueAnswer(advanceLift(plan, state, atMs + MINUTE_MS))).toBe('nobody-trapped')
  })

  it('changes nothing at a lift that traps nobody', () => {
    const plan = somePlan({})
    const state = startLift(plan, START_MS)
    expect(rescueLift(plan, state, START_MS)).toBe(state)
    const cut = beginFault(plan, state, { name: 'power-cut', durationMs: MINUTE_MS }, START_MS)
    expect(cut === undefined ? undefined : rescueLift(plan, cut, START_MS)).toBe(cut)
  })
})

describe('the truth', () => {
  it('is what the lift does: heights, speeds, doors and people of the state', () => {
    const { sights, plan } = tell({ name: 'safety-circuit-open' })
    for (const { truth, state, atMs } of sights) {
      const { speedMmps } = kinematicsOf(state, atMs)
      expect(truth).toMatchObject({ lift: plan.id, atMs, heightMm: heightMmAt(state, atMs), speedMmps })
      expect(truth.doorOpenness).toBe(opennessAt(state, atMs))
      if (truth.trapped !== null && PHASES[state.phase].holds) expect(truth.speedMmps).toBe(0)
    }
  })

  it('counts people as trapped from the stop to the open doors, to the ms', () => {
    const story = tell({ name: 'entrapment-between-floors', durationMs: 95_000 })
    const trapped = trappedIn(story)
    const stoodAtMs = story.sights.find(({ state }) => state.phase === 'stuck')?.state.sinceMs
    expect(trapped[0]?.truth.trapped?.sinceMs).toBe(stoodAtMs)
    const afterwards = story.sights[story.sights.findIndex((sight) => sight === trapped.at(-1)) + 1]
    expect(afterwards?.state.phase).toBe('open')
    expect(afterwards?.truth.doorOpenness).toBe(1)
  })

  it('knows no fault before it bites', () => {
    const { sights } = tell({ name: 'entrapment-between-floors', setting: 'idle' })
    expect(sights[0]?.state.fault?.name).toBe('entrapment-between-floors')
    expect(sights[0]?.truth.fault).toBeNull()
  })
})
