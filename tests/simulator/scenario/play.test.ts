import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Connection, Status } from '#contract/telemetry'
import { playScenario, type Arrival, type PlayOptions } from '#simulator/scenario/play'
import { readScenario, ScenarioError, type ScenarioPlan } from '#simulator/scenario/scenario-file'
import { scenarioOf } from '#simulator/scenario/scenario-library'
import { impairmentOf } from '#simulator/terminal/link'
import { isWill, storyOf } from './story.ts'

function hashOf(plan: ScenarioPlan, o: PlayOptions = {}): string {
  const hash = createHash('sha256')
  for (const happening of playScenario(plan, o)) hash.update(JSON.stringify(happening) + '\n')
  return hash.digest('hex')
}

const scenario = (lines: string): ScenarioPlan =>
  readScenario(`zh: 演练\nen: a scenario of a test\n${lines}\nexpect: []\n`)
const arrivalsOf = (plan: ScenarioPlan, o: PlayOptions = {}): Arrival[] =>
  [...playScenario(plan, o)].flatMap((one) => (one.do === 'arrives' ? [one] : []))
const isOnline = ({ kind, payload }: Arrival) =>
  kind === 'connection' && (JSON.parse(payload) as Connection).state === 'online'
const seconds = (plan: ScenarioPlan, { atMs }: Arrival) => (atMs - plan.startsAtMs) / 1000

const NAMES = [
  'entrapment/between-floors',
  'entrapment/over-a-slow-link',
  'entrapment/terminal-dies-with-people-inside',
  'link/reconnect-storm',
  'power/compound-goes-dark',
]

describe('a scenario that is played', () => {
  it('has the same happenings for the same plan and seed, byte for byte, and others for another seed', () => {
    for (const name of NAMES) {
      const plan = scenarioOf(name)
      expect(hashOf(plan), name).toBe(hashOf(plan))
      expect(hashOf(plan, { seed: plan.seed }), name).toBe(hashOf(plan))
      expect(hashOf(plan, { seed: 77 }), name).not.toBe(hashOf(plan))
    }
  })

  it('can be begun at another time and over another link', () => {
    const plan = scenarioOf('entrapment/between-floors')
    const startAtMs = plan.startsAtMs + 86_400_000
    expect(storyOf(plan, { startAtMs }).happened[0]).toMatchObject({ truth: { atMs: startAtMs } })
    expect(hashOf(plan, { impairment: '2g' })).not.toBe(hashOf(plan))
    expect(hashOf(plan, { impairment: 'none' })).toBe(hashOf(plan))
  })

  it('tells what is so with each lift before anything arrives', () => {
    const { happened, lifts } = storyOf(scenario('lasts: 5 min\nlifts: 5\nevents: []'))
    expect(happened.slice(0, 5).map((one) => one.do)).toEqual(Array.from({ length: 5 }, () => 'truth'))
    expect(lifts.every(({ arrivals }) => arrivals.some(isOnline))).toBe(true)
  })

  it('loses no message over a bad link: numbers have no gap, and what comes again is marked', () => {
    const plan = scenario('lasts: 2 h\nlifts: 4\nstarts: 2026-03-04 07:30\nevents: []')
    const impairment = { ...impairmentOf('2g'), lossRate: 0.02, duplicateRate: 0.05 }
    const { lifts } = storyOf(plan, { impairment })
    for (const { arrivals } of lifts) {
      const words = arrivals.filter((one) => !isWill(one))
      const numbers = new Set(words.map(({ payload }) => (JSON.parse(payload) as Status).seq))
      // What is still under way at the end is missing.
      expect(numbers.size).toBeGreaterThan(Math.max(...numbers) - 25)
      expect(words.filter(({ isAgain }) => isAgain).length).toBe(words.length - numbers.size)
      expect(words.filter(({ isAgain }) => isAgain).length).toBeGreaterThan(10)
      expect(arrivals.filter(isWill).length).toBeGreaterThan(2)
    }
  })

  it('says the will of a terminal that died 90 s after its last packet, and not again when it is back', () => {
    const plan = scenarioOf('terminal/dies')
    const arrivals = arrivalsOf(plan)
    const wills = arrivals.filter(isWill)
    expect(wills.length).toBe(1)
    const before = arrivals.filter((one) => !isWill(one) && seconds(plan, one) <= 60).at(-1)
    if (before === undefined || wills[0] === undefined) throw new Error('it spoke and died')
    expect(wills[0].atMs - before.atMs).toBe(90_000)
    // Nothing between its death and its return; then another start.
    const silent = arrivals.filter((one) => seconds(plan, one) > 60 && seconds(plan, one) < 660)
    expect(silent).toEqual(wills)
    expect(arrivals.filter(isOnline).map((one) => Math.round(seconds(plan, one)))).toEqual([0, 660])
  })

  it('says the will at once when a connection is cut, and the terminal is back in a moment of its own', () => {
    const plan = scenario('lasts: 12 min\nlifts: 20\nlink: storm\nevents: []')
    const { lifts } = storyOf(plan)
    const backS = lifts.map(({ arrivals }) => {
      const wills = arrivals.filter(isWill).map((one) => seconds(plan, one))
      expect(wills).toEqual([600])
      return arrivals.filter(isOnline).map((one) => seconds(plan, one))[1] ?? NaN
    })
    expect(Math.min(...backS)).toBeGreaterThanOrEqual(600.5)
    expect(Math.max(...backS)).toBeLessThan(603)
    expect(new Set(backS).size).toBeGreaterThan(15)
  })

  it('keeps what is said in an outage and sends it late, at a bounded rate, beside what happens then', () => {
    const plan = scenario(
      'lasts: 3 h\nstarts: 2026-03-04 07:00\nterminals: controller\noutages: [{ at: 5 min, for: 2 h }]\nevents: []',
    )
    const arrivals = arrivalsOf(plan)
    const backMs = plan.startsAtMs + 125 * 60_000
    expect(arrivals.filter(({ atMs }) => atMs > plan.startsAtMs + 7 * 60_000 && atMs < backMs)).toEqual([])
    const late = arrivals.filter(
      ({ atMs, kind, payload }) => kind === 'status' && atMs - (JSON.parse(payload) as Status).sampledAtMs > 60_000,
    )
    expect(late.length).toBeGreaterThan(250)
    const lastedS = ((late.at(-1)?.atMs ?? 0) - (late[0]?.atMs ?? 0)) / 1000
    expect(late.length / lastedS).toBeLessThan(21)
    // Its first word is that it is there again.
    expect(arrivals.find(({ atMs }) => atMs >= backMs)).toMatchObject({ kind: 'connection' })
  })

  it('has numbers twice only when the terminal counts wrong, and then for other messages', () => {
    const words = arrivalsOf(scenarioOf('terminal/numbers-repeat')).filter((one) => !isWill(one))
    const numbers = words.map(({ payload }) => (JSON.parse(payload) as Status).seq)
    expect(numbers.length - new Set(numbers).size).toBeGreaterThan(3)
    expect(words.some(({ isAgain }) => isAgain)).toBe(false)
  })

  it('lets people come, ride and be let out by a mechanic', () => {
    const plan = scenarioOf('entrapment/rescued-between-floors')
    const [lift] = storyOf(plan).lifts
    expect(lift?.trapped.length).toBe(1)
    expect(lift?.trapped[0]?.toMs).toBeGreaterThan(20 * 60_000)
    expect(lift?.trapped[0]?.toMs).toBeLessThan(21 * 60_000)
    const quiet = 'starts: 2026-03-04 03:00\nlasts: 5 min\nterminals: controller'
    const riders = (events: string) =>
      storyOf(scenario(`${quiet}\nevents: ${events}`)).lifts[0]?.truths.at(-1)?.deliveredCount ?? 0
    expect(riders('[{ at: 10 s, ride: { from: bottom, to: top, people: 3 } }]') - riders('[]')).toBe(3)
  })

  it('gives each lift the terminal that the file names', () => {
    const plan = scenario('lasts: 5 min\nlifts: 3\nterminals: [controller, retrofit, basic]\nevents: []')
    const fields = storyOf(plan).lifts.map(({ statuses }) => Object.keys(statuses[0] ?? {}).length)
    expect(fields[0]).toBeGreaterThan(fields[1] ?? 0)
    expect(fields[1]).toBeGreaterThan(fields[2] ?? 0)
  })
})

describe('a scenario that cannot happen', () => {
  const playing = (lines: string) => () => [...playScenario(scenario(lines))]

  it('fails when a fault is refused for a minute, and says which', () => {
    const lines =
      'lasts: 9 min\nevents:\n- { at: 1 min, fault: power-cut, for: 5 min }\n- { at: 2 min, fault: door-blocked }'
    expect(playing(lines)).toThrow(ScenarioError)
    expect(playing(lines)).toThrow(/^events\[1\]: door-blocked at lift 1 was refused for a minute/)
  })

  it('waits for what is refused for less', () => {
    const lines =
      'lasts: 9 min\nevents:\n- { at: 1 min, fault: power-cut, for: 1 min }\n- { at: 1 min 30 s, fault: door-blocked }'
    const truths = storyOf(scenario(lines)).lifts[0]?.truths ?? []
    expect(truths.some(({ fault }) => fault?.name === 'door-blocked')).toBe(true)
  })

  it('fails when a fault never begins', () => {
    const lines =
      'starts: 2026-03-04 03:00\nlasts: 4 min\nevents:\n- { at: 1 min, fault: terminal-dies-occupied }\n- { at: 1 min, fault: e-bike }'
    expect(playing(lines)).toThrow(/^events\[0\]: terminal-dies-occupied at lift 1 never began/)
  })

  it('fails when nobody is there to be rescued', () => {
    expect(playing('lasts: 9 min\nevents:\n- { at: 1 min, rescue: true }')).toThrow(
      /^events\[0\]: the rescue at lift 1 was refused for a minute: nobody is trapped there/,
    )
  })

  it('fails when somebody wants to ride from a landing that there is not', () => {
    const ride = (from: string, to: string) =>
      `lasts: 9 min\nevents:\n- { at: 1 min, ride: { from: ${from}, to: ${to} } }`
    expect(playing(ride("'99'", 'top'))).toThrow(/^events\[0\]\.ride: lift 1 has no landing “99”; it has 1, /)
    expect(playing(ride("'1'", 'bottom'))).toThrow(/^events\[0\]\.ride: “from” and “to” are the same landing/)
  })
})
