import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readScenario, SCENARIO_BYTES_MAX, ScenarioError } from '#simulator/scenario/scenario-file'
import { scenarioNames, scenarioText } from '#simulator/scenario/scenario-library'

const HEAD = 'zh: 演练\nen: a scenario\nlasts: 10 min\n'
const BARE = `${HEAD}events: []\nexpect: []\n`
const event = (text: string): string => `${HEAD}lifts: 6\nevents:\n- { ${text} }\nexpect: []\n`
const expectation = (text: string): string => `${HEAD}lifts: 6\nevents: []\nexpect:\n- { ${text} }\n`

describe('a scenario file', () => {
  it('may say no more than what happens when, and what is expected', () => {
    expect(readScenario(BARE)).toMatchObject({
      seed: 1,
      isForAnySeed: true,
      startsAtMs: Date.parse('2026-03-04T10:00:00+08:00'),
      lastsMs: 600_000,
      liftCount: 1,
      terminals: [null],
      link: 'none',
      events: [],
      expected: [],
      allowed: [],
    })
  })

  it('may say all that there is to say', () => {
    const plan = readScenario(`
zh: 演练
en: a scenario
seed: 7
starts: 2026-11-21 07:30
lasts: 1 h 30 min
lifts: 6
terminals: [controller, controller, retrofit, retrofit, basic, basic]
link: 2g
outages:
  - { at: 10 min, for: 5 min }
events:
  - { at: 90 s, lift: 2, fault: door-blocked, for: 4 min 30 s }
  - { at: 2 min, fault: power-cut, compound: 3 }
  - { at: 3 min, lifts: [1, 4], rescue: true }
  - { at: 4 min, ride: { from: '1', to: top, people: 2, boarding: 25 s } }
expect:
  - { alarm: door-will-not-close, lift: 2, after: 2 min, by: 5 min, clearedBy: 9 min }
  - { alarm: main-power-lost, compound: 3, by: 3 min }
allow: [door-held-open]
`)
    expect(plan).toMatchObject({
      seed: 7,
      isForAnySeed: false,
      startsAtMs: Date.parse('2026-11-21T07:30:00+08:00'),
      lastsMs: 5_400_000,
      terminals: ['controller', 'controller', 'retrofit', 'retrofit', 'basic', 'basic'],
      impairment: { lossRate: 0.002, outages: [{ afterMs: 600_000, lastMs: 300_000 }] },
      events: [
        { do: 'fault', atMs: 90_000, lifts: [2], fault: 'door-blocked', durationMs: 270_000 },
        { do: 'fault', atMs: 120_000, lifts: [5, 6], fault: 'power-cut', durationMs: 240_000 },
        { do: 'rescue', atMs: 180_000, lifts: [1, 4] },
        { do: 'ride', atMs: 240_000, lifts: [1], ride: { from: '1', to: 'top', count: 2, boardingMs: 25_000 } },
      ],
      expected: [
        { alarm: 'door-will-not-close', lift: 2, afterMs: 120_000, byMs: 300_000, clearedByMs: 540_000 },
        { alarm: 'main-power-lost', lift: 5, afterMs: 0, byMs: 180_000, clearedByMs: undefined },
        { alarm: 'main-power-lost', lift: 6, afterMs: 0, byMs: 180_000, clearedByMs: undefined },
      ],
      allowed: ['door-held-open'],
    })
  })

  const REFUSALS: readonly (readonly [text: string, refusal: RegExp])[] = [
    ['', /^The file: must be object\.$/],
    ['zh: [', /^Line 1 is no YAML: .+$/],
    [`zh: a\nzh: b\n`, /^Line 2 is no YAML: /],
    ['a: &a 1\nb: *a\n', /is no YAML: /],
    ['#'.repeat(SCENARIO_BYTES_MAX + 1), /^The file is longer than 65536 bytes\.$/],
    ['zh: 演练\nen: a\nlasts: 5 min\nevents: []\n', /^The file: “expect” is missing\.$/],
    [`${BARE}colour: red\n`, /^colour: there is no such key\.$/],
    [event('at: 1 min, fault: power-cut, until: 2 min'), /^events\[0\]\.until: there is no such key\.$/],
    [BARE.replace('10 min', '10 minutes'), /^lasts: write a time as “90 s”, “4 min 30 s” or “2 h”\.$/],
    [BARE.replace('10 min', '169 h'), /^lasts: a scenario lasts 7 days at most, not 169 h\.$/],
    [BARE.replace('zh: 演练', "zh: ''"), /^zh: must not have fewer than 1 characters\.$/],
    [`${BARE}seed: -1\n`, /^seed: must be >= 0\.$/],
    [`${BARE}starts: tomorrow\n`, /^starts: write it as “2026-03-04 10:00”\.$/],
    [`${BARE}starts: 2026-02-30 10:00\n`, /^starts: 2026-02-30 10:00 is no time of the calendar; /],
    [`${BARE}starts: 2026-02-03 24:00\n`, /^starts: 2026-02-03 24:00 is no time of the calendar; /],
    [`${BARE}lifts: 301\n`, /^lifts: must be <= 300\.$/],
    [`${BARE}terminals: radio\n`, /^terminals: there is no kind “radio”; there are controller, retrofit, basic\.$/],
    [
      `${BARE}lifts: 3\nterminals: [basic, basic]\n`,
      /^terminals: give one kind, or one for each of the 3 lifts, not 2\.$/,
    ],
    [`${BARE}link: string\n`, /^link: there is no impairment “string”\.$/],
    [
      `${BARE}outages: [{ at: 11 min, for: 1 s }]\n`,
      /^outages\[0\]\.at: 11 min is after the end of the scenario \(lasts: 10 min\)\.$/,
    ],
    [`${BARE}allow: [thirst]\n`, /^allow\[0\]: the alarm list has no “thirst”\.$/],
    [event('at: 1 min'), /^events\[0\]: give one of “fault”, “rescue” and “ride”\.$/],
    [event('at: 1 min, rescue: true, fault: power-cut'), /^events\[0\]: give one of “fault”, “rescue” and “ride”\.$/],
    [event('at: 1 min, rescue: false'), /^events\[0\]\.rescue: /],
    [event('at: 1 min, fault: hiccup'), /^events\[0\]\.fault: there is no fault “hiccup”\.$/],
    [event('at: 1 min, fault: toString'), /^events\[0\]\.fault: there is no fault “toString”\.$/],
    [event('at: soon, fault: power-cut'), /^events\[0\]\.at: write a time as /],
    [event('at: 11 min, fault: power-cut'), /^events\[0\]\.at: 11 min is after the end of the scenario/],
    [event('at: 1 min, fault: power-cut, for: 200 h'), /^events\[0\]\.for: a fault lasts 7 days at most, not 200 h\.$/],
    [event('at: 1 min, rescue: true, for: 2 min'), /^events\[0\]: “for” belongs to a fault\.$/],
    [event('at: 1 min, fault: power-cut, lift: 7'), /^events\[0\]: there is no lift 7; the scenario has 6\.$/],
    [event('at: 1 min, fault: power-cut, lifts: [1, 1]'), /^events\[0\]\.lifts: a lift is named twice\.$/],
    [event('at: 1 min, fault: power-cut, lifts: []'), /^events\[0\]\.lifts: must not have fewer than 1 items\.$/],
    [
      event('at: 1 min, fault: power-cut, lift: 1, compound: 1'),
      /^events\[0\]: give one of “lift”, “lifts” and “compound”\.$/,
    ],
    [event('at: 1 min, fault: power-cut, compound: 4'), /^events\[0\]: there is no compound 4; the scenario has 3\.$/],
    [event('at: 1 min, ride: { from: top, to: top }'), /^events\[0\]\.ride: “from” and “to” are the same landing\.$/],
    [event('at: 1 min, ride: { from: top }'), /^events\[0\]\.ride: “to” is missing\.$/],
    [event('at: 1 min, ride: { from: 1, to: top }'), /^events\[0\]\.ride\.from: must be string\.$/],
    [expectation('alarm: hunger, by: 2 min'), /^expect\[0\]\.alarm: the alarm list has no “hunger”\.$/],
    [expectation('alarm: overspeed'), /^expect\[0\]: “by” is missing\.$/],
    [expectation('alarm: overspeed, by: 11 min'), /^expect\[0\]\.by: 11 min is after the end/],
    [expectation('alarm: overspeed, after: 3 min, by: 2 min'), /^expect\[0\]: “after” is later than “by”\.$/],
    [expectation('alarm: overspeed, by: 2 min, clearedBy: 11 min'), /^expect\[0\]\.clearedBy: 11 min is after the end/],
    [
      expectation('alarm: overspeed, after: 3 min, by: 4 min, clearedBy: 2 min'),
      /^expect\[0\]: “clearedBy” is earlier/,
    ],
    [expectation('alarm: overspeed, by: 2 min, lift: 9'), /^expect\[0\]: there is no lift 9; the scenario has 6\.$/],
  ]
  it.each(REFUSALS)('is refused in one sentence with the place: %j', (text, refusal) => {
    expect(() => readScenario(text)).toThrow(ScenarioError)
    expect(() => readScenario(text)).toThrow(refusal)
  })

  it('that is not what it should be never throws anything but a ScenarioError', () => {
    const samples = scenarioNames().map(scenarioText)
    const cut = fc
      .tuple(fc.constantFrom(...samples), fc.nat(2000), fc.nat(40), fc.string({ unit: 'binary', maxLength: 30 }))
      .map(([text, at, length, put]) => text.slice(0, at) + put + text.slice(at + length))
    const words = fc.array(
      fc.constantFrom(
        ...['zh', 'en', 'lasts', 'events', 'expect', 'ride', 'fault', 'at', ':', ' ', '\n', '- ', '{', '}', '[', ']'],
        ...['10 min', '1e999', '-1', '~', '!!binary', '!!set', '&a', '*a', '<<', '|', '>', '"', "'", '#', '__proto__'],
      ),
      { maxLength: 60 },
    )
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      words.map((all) => all.join('')),
      cut,
    )
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(readScenario(text).lastsMs).toBeGreaterThanOrEqual(0)
        } catch (error) {
          if (!(error instanceof ScenarioError)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})
