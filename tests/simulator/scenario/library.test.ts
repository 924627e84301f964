import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { ALARM_KIND_NAMES, type AlarmKind } from '#contract/alarms'
import { Connection, Message, Statistics, Status } from '#contract/telemetry'
import type { Happening } from '#simulator/scenario/play'
import { scenarioNames, scenarioOf, scenarioText } from '#simulator/scenario/scenario-library'
import { SCENARIO_NAMES } from '#simulator/scenarios'
import { amiss } from './amiss.ts'
import { storyOf, type Story } from './story.ts'

const LIBRARY = scenarioNames()

const schemas = {
  status: Compile(Status),
  statistics: Compile(Statistics),
  message: Compile(Message),
  connection: Compile(Connection),
}
/** No message tells of these: registers and calendars do. */
const NOT_TOLD_BY_TELEMETRY: Partial<Record<AlarmKind, string>> = {
  'maintenance-overdue': 'the record of visits says when the last one was',
  'maintenance-due': 'the record of visits says when the last one was',
  'inspection-overdue': 'the register says when the last inspection was',
  'inspection-due': 'the register says when the last inspection was',
  'fund-low': 'the ledger of the fund says what is left',
}
const timeOf = (one: Happening): number => (one.do === 'truth' ? one.truth.atMs : one.atMs)

describe('the library of scenarios', () => {
  const plans = LIBRARY.map((name) => [name, scenarioOf(name)] as const)
  const stories = new Map<string, Story>(plans.map(([name, plan]) => [name, storyOf(plan)]))
  const played = plans.map(([name, plan]) => {
    const story = stories.get(name)
    if (story === undefined) throw new Error(`${name} was played`)
    return { name, plan, story }
  })

  it('has small files with names of small letters and hyphens, each with a name in both languages of its own', () => {
    expect(LIBRARY.length).toBeGreaterThanOrEqual(40)
    expect(LIBRARY.filter((name) => !/^[a-z]+\/[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([])
    expect(LIBRARY.filter((name) => scenarioText(name).split('\n').length > 30)).toEqual([])
    for (const language of ['zh', 'en'] as const)
      expect(new Set(plans.map(([, plan]) => plan[language])).size, language).toBe(plans.length)
    expect(plans.filter(([, { zh }]) => !/\p{Script=Han}/u.test(zh)).map(([name]) => name)).toEqual([])
  })

  it('expects every kind of the alarm list that telemetry can tell of, and says why of the others', () => {
    const expected = new Set(plans.flatMap(([, plan]) => plan.expected.map(({ alarm }) => alarm)))
    const missing = ALARM_KIND_NAMES.filter((kind) => !expected.has(kind))
    expect(missing.sort()).toEqual(Object.keys(NOT_TOLD_BY_TELEMETRY).sort())
  })

  it('plays every fault that there is', () => {
    const faults = new Set(
      plans.flatMap(([, { events }]) => events.map((event) => event.do === 'fault' && event.fault)),
    )
    expect(SCENARIO_NAMES.filter((name) => !faults.has(name))).toEqual([])
  })

  it('has scenarios in which nothing may be raised', () => {
    const quiet = plans.filter(([, { expected, allowed }]) => expected.length === 0 && allowed.length === 0)
    expect(quiet.length).toBeGreaterThanOrEqual(15)
  })

  it('tells what happens in the order of time, from the begin to the end', () => {
    for (const { name, plan, story } of played) {
      const times = story.happened.map(timeOf)
      expect(times.length, name).toBeGreaterThan(0)
      expect(times[0], name).toBe(plan.startsAtMs)
      expect(times.at(-1), name).toBeLessThanOrEqual(plan.startsAtMs + plan.lastsMs)
      expect(
        times.every((atMs, index) => index === 0 || atMs >= (times[index - 1] ?? 0)),
        name,
      ).toBe(true)
      expect(story.lifts.length, name).toBe(plan.liftCount)
    }
  })

  it('says only what the contract knows, and nothing twice that is not marked so', () => {
    for (const { name, story } of played)
      for (const { arrivals } of story.lifts) {
        const wrong = arrivals.filter(({ kind, payload }) => !schemas[kind].Check(JSON.parse(payload)))
        expect(wrong, name).toEqual([])
        const first = arrivals.filter(
          ({ kind, isAgain, payload }) => !isAgain && !(kind === 'connection' && !payload.includes('boot')),
        )
        expect(new Set(first.map(({ payload }) => payload)).size, name).toBe(first.length)
        const known = new Set<string>()
        for (const { payload, isAgain } of arrivals) {
          if (isAgain) expect(known.has(payload), name).toBe(true)
          known.add(payload)
        }
      }
  })

  it('has every alarm that is expected due within its window, by the ground truth and by what was told', () => {
    expect(played.flatMap(amiss)).toEqual([])
  })

  it('holds for other seeds, which make other lifts with other people', () => {
    const general = plans.filter(([, { isForAnySeed }]) => isForAnySeed)
    expect(general.length).toBeGreaterThan(40)
    for (const seed of [2, 3, 8]) {
      const found = general.flatMap(([name, plan]) =>
        amiss({ name: `${name}, seed ${seed}`, plan, story: storyOf(plan, { seed }) }),
      )
      expect(found).toEqual([])
    }
  }, 120_000)
})
