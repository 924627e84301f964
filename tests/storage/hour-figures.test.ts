import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import { READING_GAP_MS_MAX, SERVICE_OF_MODE, type HourFigures } from '#contract/figures'
import { STATE_SILENCE_MS_MAX } from '#contract/history'
import { hourFiguresOf, hoursOfSample, samplesOfHour } from '#storage/telemetry/hour-figures'
import { rowsToPut } from '#storage/telemetry/hour-rows'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { LIFT, OTHER_LIFT, statusPoint } from './telemetry-points.ts'

/** Some hour. */
const H = 1_795_190_400_000 - (1_795_190_400_000 % HOUR_MS)
const MINUTE = 60_000
const QUARTER = 15 * MINUTE

const status = (ms: number, fields: TelemetryPoint['fields'], o: { boot?: number; seq?: number } = {}) =>
  statusPoint({ atMs: H + ms, seq: Math.max(0, ms + 10 * HOUR_MS) / 1000, ...o, fields })
const reading = (ms: number, fields: TelemetryPoint['fields'], o: { boot?: number; seq?: number } = {}) => ({
  ...status(ms, fields, o),
  measurement: 'statistics' as const,
})
const figures = (...points: TelemetryPoint[]): HourFigures => hourFiguresOf({ lift: LIFT, hourAtMs: H, points })
/** One normal status a minute, from one minute before the hour to its end. */
const normalHour = Array.from({ length: 61 }, (_, n) => status((n - 1) * MINUTE, { serviceMode: 1 }))

describe('the state of a lift in an hour', () => {
  it('is in service the whole hour when it says so every minute', () => {
    expect(figures(...normalHour)).toEqual({
      ...{ lift: LIFT, hourAtMs: H, sampleCount: 60, countedMs: 0, onlineMs: HOUR_MS },
      ...{ inServiceMs: HOUR_MS, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0 },
    })
  })

  it('is unknown where nothing was said', () => {
    expect(figures()).toMatchObject({ sampleCount: 0, unknownMs: HOUR_MS, inServiceMs: 0, onlineMs: 0, countedMs: 0 })
  })

  it('is believed until the next sample, and at most for the allowed silence', () => {
    const silence = STATE_SILENCE_MS_MAX
    expect(figures(status(0, { serviceMode: 1 }))).toMatchObject({ inServiceMs: silence, unknownMs: HOUR_MS - silence })
    const met = figures(status(0, { serviceMode: 1 }), status(silence, { serviceMode: 1 }))
    expect(met).toMatchObject({ inServiceMs: 2 * silence, onlineMs: 2 * silence })
    const missed = figures(status(0, { serviceMode: 1 }), status(silence + 1, { serviceMode: 1 }))
    expect(missed).toMatchObject({ inServiceMs: 2 * silence, unknownMs: HOUR_MS - 2 * silence })
  })

  it('is brought along from before the hour, and ends with it', () => {
    const before = figures(status(-STATE_SILENCE_MS_MAX + 1, { serviceMode: 2 }))
    expect(before).toMatchObject({ maintenanceMs: 1, unknownMs: HOUR_MS - 1, sampleCount: 0 })
    expect(figures(status(-STATE_SILENCE_MS_MAX, { serviceMode: 2 })).maintenanceMs).toBe(0)
    expect(figures(status(HOUR_MS - 1, { serviceMode: 0 }))).toMatchObject({ outOfServiceMs: 1, sampleCount: 1 })
    expect(figures(status(HOUR_MS, { serviceMode: 0 })).outOfServiceMs).toBe(0)
  })

  it('is divided by mode; maintenance is neither in service nor out of it', () => {
    const modes = [0, 1, 2, 3, 4, 5, 6, 7]
    const row = figures(...modes.map((serviceMode) => status(serviceMode * MINUTE, { serviceMode })))
    const rest = STATE_SILENCE_MS_MAX - MINUTE
    expect(row).toMatchObject({ inServiceMs: MINUTE, outOfServiceMs: 5 * MINUTE, maintenanceMs: MINUTE })
    expect(row.unknownMs).toBe(HOUR_MS - 7 * MINUTE)
    expect(rest).toBeGreaterThan(0)
  })

  it('is not ended by a sample that does not say, and is unknown after a code that is none', () => {
    expect(figures(status(0, { serviceMode: 1 }), status(MINUTE, {}))).toMatchObject({
      inServiceMs: STATE_SILENCE_MS_MAX,
    })
    const nan = figures(status(0, { serviceMode: 1 }), status(MINUTE, { serviceMode: Number.NaN }))
    expect(nan).toMatchObject({ inServiceMs: STATE_SILENCE_MS_MAX })
    for (const serviceMode of [8, -1, 1.5])
      expect(figures(status(0, { serviceMode: 1 }), status(MINUTE, { serviceMode }))).toMatchObject({
        inServiceMs: MINUTE,
      })
  })

  it('was online only where a sample came in time', () => {
    const late = { ...status(0, { serviceMode: 1 }), receivedAtMs: H + STATE_SILENCE_MS_MAX + 1 }
    expect(figures(late)).toMatchObject({ onlineMs: 0, inServiceMs: STATE_SILENCE_MS_MAX })
    expect(figures({ ...late, receivedAtMs: late.receivedAtMs - 1 }).onlineMs).toBe(STATE_SILENCE_MS_MAX)
    // Counters are heard too, and a copy that came again later changes nothing.
    expect(figures(late, reading(MINUTE, {})).onlineMs).toBe(STATE_SILENCE_MS_MAX)
    for (const copies of [
      [{ ...late, receivedAtMs: H }, late],
      [late, { ...late, receivedAtMs: H }],
    ])
      expect(figures(...copies).onlineMs).toBe(STATE_SILENCE_MS_MAX)
  })

  it('has the largest vibration of its own samples, and none when none was measured', () => {
    const vibrations = [
      [-1, 99],
      [0, 3],
      [MINUTE, 7.5],
      [2 * MINUTE, Number.NaN],
      [3 * MINUTE, -1],
      [HOUR_MS, 99],
    ] as const
    const points = vibrations.map(([ms, vibrationMg]) => status(ms, { vibrationMg }))
    expect(figures(...points).worstVibrationMg).toBe(7.5)
    expect(figures(status(0, { vibrationMg: 0 })).worstVibrationMg).toBe(0)
    expect(figures(status(0, { vibrationMg: Number.NaN }))).not.toHaveProperty('worstVibrationMg')
  })
})

describe('the counters of an hour', () => {
  it('grow evenly between readings, so that hours share what lies across their border', () => {
    const points = [
      reading(-5 * MINUTE, { runCount: 100, distanceM: 1_000, energyKWh: 10 }),
      reading(10 * MINUTE, { runCount: 115, distanceM: 1_150, energyKWh: 10.3 }),
      reading(50 * MINUTE, { runCount: 135, distanceM: 1_350, energyKWh: 10.4 }),
      reading(65 * MINUTE, { runCount: 139, distanceM: 1_399, energyKWh: 10.4 }),
    ]
    expect(figures(...points)).toMatchObject({
      countedMs: HOUR_MS,
      runCount: 32,
      distanceM: 332.666667,
      energyKWh: 0.3,
    })
    const hours = [H - HOUR_MS, H, H + HOUR_MS].map((hourAtMs) => hourFiguresOf({ lift: LIFT, hourAtMs, points }))
    expect(hours.map((hour) => hour.runCount)).toEqual([5, 32, 2])
    expect(hours.map((hour) => hour.countedMs)).toEqual([5 * MINUTE, HOUR_MS, 5 * MINUTE])
  })

  it('are absent when they are not measured, and 0 when nothing happened', () => {
    const row = figures(reading(-QUARTER, { runCount: 7 }), reading(QUARTER, { runCount: 7 }))
    expect(row).toMatchObject({ runCount: 0, countedMs: QUARTER })
    for (const name of ['doorCycleCount', 'ropeBendCount', 'runTimeS', 'distanceM', 'energyKWh'])
      expect(row).not.toHaveProperty(name)
    expect(figures(reading(0, { runCount: 7 }))).not.toHaveProperty('runCount')
  })

  it('tell nothing of a time in which they were not read', () => {
    const gap = READING_GAP_MS_MAX
    const apart = (ms: number) => figures(reading(-MINUTE, { runCount: 1 }), reading(ms - MINUTE, { runCount: 9 }))
    expect(apart(gap)).toMatchObject({ countedMs: gap - MINUTE, runCount: 8 })
    expect(apart(gap + 1)).toMatchObject({ countedMs: 0 })
    expect(apart(gap + 1)).not.toHaveProperty('runCount')
  })

  it('begin anew when controller or terminal were replaced: what lies between is not counted', () => {
    const counters = (runCount: number) => ({ runCount, doorOpenCount: runCount * 2, energyKWh: runCount / 10 })
    for (const boot of [1, 17, 18, 40]) {
      const row = figures(
        reading(0, counters(1_000)),
        reading(QUARTER, counters(1_005)),
        reading(2 * QUARTER, counters(3), { boot, ...(boot === 17 ? {} : { seq: 1 }) }),
        reading(3 * QUARTER, counters(9), { boot, ...(boot === 17 ? {} : { seq: 2 }) }),
      )
      expect(row, `boot ${boot}`).toMatchObject({
        runCount: 11,
        doorCycleCount: 22,
        energyKWh: 1.1,
        countedMs: 2 * QUARTER,
      })
    }
  })

  it('begin anew for all of them when one of them went back', () => {
    const row = figures(
      reading(0, { runCount: 1_000, energyKWh: 50 }),
      reading(QUARTER, { runCount: 3, energyKWh: 50.5 }),
      reading(2 * QUARTER, { runCount: 4, energyKWh: 51 }),
    )
    expect(row).toMatchObject({ runCount: 1, energyKWh: 0.5, countedMs: QUARTER })
  })

  it('forget what the counter before had said', () => {
    const row = figures(
      reading(0, { runCount: 1_000, energyKWh: 50 }),
      reading(QUARTER, { runCount: 3 }),
      reading(2 * QUARTER, { runCount: 5, energyKWh: 1 }),
      reading(3 * QUARTER, { runCount: 6, energyKWh: 2 }),
    )
    expect(row).toMatchObject({ runCount: 3, countedMs: 2 * QUARTER })
  })

  it('go on over a restart of the terminal, but not over one that nothing was read of', () => {
    const restarted = (boot: number) =>
      figures(reading(0, { runCount: 10 }), reading(QUARTER, { runCount: 14 }, { boot, seq: 0 }))
    expect(restarted(18)).toMatchObject({ runCount: 4, countedMs: QUARTER })
    for (const boot of [16, 19]) expect(restarted(boot)).toMatchObject({ countedMs: 0 })
  })

  it('never leap: what grows faster than a lift can was another counter, or was read wrong', () => {
    const leap = figures(
      reading(0, { runCount: 10 }),
      reading(QUARTER, { runCount: 999_999 }),
      reading(2 * QUARTER, { runCount: 14 }),
      reading(3 * QUARTER, { runCount: 15 }),
    )
    expect(leap).toMatchObject({ runCount: 1, countedMs: QUARTER })
    // A minute of running that is told at its end is no leap; an hour with more than an hour of running is none.
    expect(figures(reading(0, { runTimeS: 0 }), reading(1_000, { runTimeS: 60 }))).toMatchObject({ runTimeS: 60 })
    const lumps = Array.from({ length: 121 }, (_, n) => reading(n * 30_000, { runTimeS: n * 60, runCount: n }))
    expect(figures(...lumps)).toMatchObject({ runCount: 120, countedMs: HOUR_MS })
    expect(figures(...lumps)).not.toHaveProperty('runTimeS')
  })

  it('are absent where they were read less completely than the others', () => {
    const row = figures(
      reading(0, { runCount: 1 }),
      reading(QUARTER, { runCount: 2, energyKWh: 1 }),
      reading(2 * QUARTER, { runCount: 3, energyKWh: Number.NaN }),
      reading(3 * QUARTER, { runCount: 4, energyKWh: 2 }),
    )
    expect(row).toMatchObject({ runCount: 3, countedMs: 3 * QUARTER })
    expect(row).not.toHaveProperty('energyKWh')
    // What is no counter's value is as if it had not been read.
    const odd = [Number.NaN, -1, Infinity, '5', true].map((runCount, n) => reading(QUARTER + n, { runCount }))
    const known = figures(reading(0, { runCount: 1 }), ...odd, reading(2 * QUARTER, { runCount: 3 }))
    expect(known).toMatchObject({ runCount: 2, countedMs: 2 * QUARTER })
  })

  it('do not count twice when the clock of the terminal was set back', () => {
    const row = figures(
      reading(0, { runCount: 1_000 }, { seq: 9 }),
      reading(10 * MINUTE, { runCount: 1_005 }, { seq: 11 }),
      reading(14 * MINUTE, { runCount: 1_003 }, { seq: 10 }),
      reading(15 * MINUTE, { runCount: 1_006 }, { seq: 12 }),
      reading(25 * MINUTE, { runCount: 1_008 }, { seq: 13 }),
    )
    expect(row).toMatchObject({ runCount: 2, countedMs: 10 * MINUTE })
    const acrossStarts = figures(
      reading(0, { runCount: 1_000 }, { boot: 17, seq: 9 }),
      reading(10 * MINUTE, { runCount: 1_005 }, { boot: 18, seq: 0 }),
      reading(14 * MINUTE, { runCount: 1_003 }, { boot: 17, seq: 10 }),
      reading(15 * MINUTE, { runCount: 1_006 }, { boot: 18, seq: 1 }),
      reading(25 * MINUTE, { runCount: 1_008 }, { boot: 18, seq: 2 }),
    )
    expect(acrossStarts).toMatchObject({ runCount: 2, countedMs: 10 * MINUTE })
  })

  it('take two readings of one instant as what happened in it', () => {
    const row = figures(
      reading(-QUARTER, { runCount: 1 }, { seq: 1 }),
      reading(0, { runCount: 2 }, { seq: 2 }),
      reading(0, { runCount: 4 }, { seq: 3 }),
      reading(QUARTER, { runCount: 5 }, { seq: 4 }),
    )
    expect(row).toMatchObject({ runCount: 3, countedMs: QUARTER })
  })
})

describe('the hours of a sample', () => {
  it('are those whose figures it can change, and no others', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('status' as const, 'statistics' as const),
        fc.oneof(
          fc.integer({ min: -2 * HOUR_MS, max: 2 * HOUR_MS }),
          fc.constantFrom(0, -1, HOUR_MS, HOUR_MS - 1, STATE_SILENCE_MS_MAX, STATE_SILENCE_MS_MAX - 1),
        ),
        (measurement, ms) => {
          const hours = hoursOfSample(measurement, H + ms)
          for (let hourAtMs = H - 5 * HOUR_MS; hourAtMs <= H + 5 * HOUR_MS; hourAtMs += HOUR_MS) {
            const { fromMs, toMs } = samplesOfHour(hourAtMs)[measurement]
            expect(hours.includes(hourAtMs)).toBe(H + ms >= fromMs && H + ms < toMs)
          }
        },
      ),
      { numRuns: 300, seed: 3_600_000 },
    )
    expect(hoursOfSample('status', H)).toEqual([H])
    expect(hoursOfSample('status', H - 1)).toEqual([H - HOUR_MS, H])
    expect(hoursOfSample('statistics', H)).toEqual([H - HOUR_MS, H, H + HOUR_MS])
  })

  it('are hours of the calendar', () => {
    for (const bad of [H + 1, 0, Number.NaN]) {
      expect(() => samplesOfHour(bad)).toThrow(RangeError)
      expect(() => hourFiguresOf({ lift: LIFT, hourAtMs: bad, points: [] })).toThrow(RangeError)
    }
  })
})

type Step = {
  afterS: number
  runs: number
  energy: number | undefined
  event: 'none' | 'reset' | 'restart' | 'replace'
}
const STEP: fc.Arbitrary<Step> = fc.record({
  afterS: fc.oneof(fc.integer({ min: 0, max: 1_200 }), fc.constantFrom(899, 3_600, 3_601, 5_000)),
  runs: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(100_000)),
  energy: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
  event: fc.constantFrom('none', 'none', 'none', 'none', 'reset', 'restart', 'replace'),
})
/** Readings from two hours before the hour on, in the order in which they were taken. */
function readingsOf(steps: readonly Step[]): TelemetryPoint[] {
  const now = { s: -7_200, boot: 17, seq: 0, runCount: 500, energy: 100 }
  return steps.map(({ afterS, runs, energy, event }) => {
    now.s += afterS
    now.seq += 1
    now.runCount += runs
    now.energy += energy ?? 0
    if (event === 'reset' || event === 'replace') now.runCount = 0
    if (event === 'restart' || event === 'replace')
      Object.assign(now, { boot: now.boot + (runs % 3), seq: now.seq + 1 })
    const { runCount } = now
    const fields = energy === undefined ? { runCount } : { runCount, energyKWh: now.energy / 4 }
    return reading(now.s * 1000, fields, { boot: now.boot, seq: now.seq })
  })
}
const STATUSES = fc.array(
  fc.record({
    s: fc.integer({ min: -400, max: 3_700 }),
    serviceMode: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
    vibrationMg: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
    lateS: fc.constantFrom(0, 0, 150, 151),
  }),
  { maxLength: 60 },
)

describe('the figures of any stream', () => {
  it('are those of a plain model, whatever the order, and however often each sample comes', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 40 }), STATUSES, fc.integer(), (steps, drawn, shuffle) => {
        const statuses = drawn.map(({ s, serviceMode, vibrationMg, lateS }, seq) => ({
          ...status(s * 1000, defined({ serviceMode, vibrationMg }), { seq }),
          receivedAtMs: H + (s + lateS) * 1000,
        }))
        const points = [...readingsOf(steps), ...statuses]
        const stranger = points.map((point) => ({
          ...{ ...point, lift: OTHER_LIFT, sampledAtMs: point.sampledAtMs + 1 },
          fields: { serviceMode: 0, runCount: 1 },
        }))
        const copies = points.filter((_, n) => (n + shuffle) % 3 === 0)
        const mixed = [...points, ...stranger, ...copies].sort((a, b) => mix(a, shuffle) - mix(b, shuffle))
        const row = figures(...mixed)
        expect(row).toEqual(figures(...points))
        const model = modelOf(points)
        const { runCount, energyKWh, ...exact } = row
        expect(exact).toEqual(model.exact)
        expect(runCount === undefined).toBe(model.runCount === undefined)
        // The model cuts no run in two: it differs by less than one.
        if (runCount !== undefined) expect(Math.abs(runCount - (model.runCount ?? 0))).toBeLessThan(1)
        expect(energyKWh === undefined).toBe(model.energyKWh === undefined)
        if (energyKWh !== undefined) expect(energyKWh).toBeCloseTo(model.energyKWh ?? Number.NaN, 5)
        expect(rowsToPut([row])).toEqual([row])
      }),
      { numRuns: 400, seed: 24_476 },
    )
  })

  it('sum up over the hours to exactly what the counter grew by', () => {
    const calm = fc.record({ afterS: fc.integer({ min: 0, max: 3_600 }), runs: fc.integer({ min: 0, max: 29 }) })
    fc.assert(
      fc.property(fc.array(calm, { minLength: 2, maxLength: 60 }), (steps) => {
        const points = readingsOf(steps.map((step) => ({ ...step, energy: 0, event: 'none' as const })))
        const values = points.map((point) => Number(point.fields['runCount']))
        let runCount = 0
        for (let n = -3; n < 62; n += 1)
          runCount += hourFiguresOf({ lift: LIFT, hourAtMs: H + n * HOUR_MS, points }).runCount ?? 0
        // All readings of one instant are no time that could be counted.
        const isInstant = points[0]?.sampledAtMs === points.at(-1)?.sampledAtMs
        expect(runCount).toBe(isInstant ? 0 : (values.at(-1) ?? 0) - (values[0] ?? 0))
      }),
      { numRuns: 200, seed: 86_400 },
    )
  })

  it('never count more than the counter grew, however the clock of the terminal was set', () => {
    const step = fc.record({
      afterS: fc.integer({ min: 1, max: 900 }),
      clockS: fc.constantFrom(0, 0, 0, 0, -1_500, -600, -2, 700),
      restart: fc.constantFrom(false, false, false, true),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 60 }), (steps) => {
        const now = { s: -3_600, boot: 17, seq: 0, runCount: 0 }
        const points = steps.map(({ afterS, clockS, restart }) => {
          Object.assign(now, { s: now.s + afterS + clockS, seq: now.seq + 1, runCount: now.runCount + 1 })
          if (restart) Object.assign(now, { boot: now.boot + 1, seq: 0 })
          return reading(now.s * 1000, { runCount: now.runCount }, { boot: now.boot, seq: now.seq })
        })
        const { statistics } = samplesOfHour(H)
        const seen = points.filter(({ sampledAtMs: at }) => at >= statistics.fromMs && at < statistics.toMs)
        const values = seen.map((point) => Number(point.fields['runCount']))
        const { runCount = 0, countedMs } = figures(...points)
        expect(runCount).toBeLessThanOrEqual(Math.max(0, Math.max(...values) - Math.min(...values)))
        expect(countedMs).toBeLessThanOrEqual(HOUR_MS)
      }),
      { numRuns: 500, seed: 17 },
    )
  })
})

const mix = (point: TelemetryPoint, by: number): number =>
  Math.imul(point.sampledAtMs + point.seq * 7, by | 1) ^ point.seq
const defined = (fields: Readonly<Record<string, number | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

/** What the figures are, second by second. All times are whole seconds, and no terminal's clock was ever set. */
function modelOf(points: readonly TelemetryPoint[]) {
  const exact: Record<string, unknown> = {
    ...{ lift: LIFT, hourAtMs: H, sampleCount: 0, countedMs: 0 },
    ...{ inServiceMs: 0, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0, onlineMs: 0 },
  }
  const add = (name: string, by: number) => (exact[name] = Number(exact[name]) + by)
  const ofKind = (measurement: string) =>
    points
      .filter((point) => point.measurement === measurement)
      .sort((a, b) => a.sampledAtMs - b.sampledAtMs || a.boot - b.boot || a.seq - b.seq)
  const [statuses, readings] = [ofKind('status'), ofKind('statistics')]
  const vibrations: number[] = []
  for (const { sampledAtMs, fields } of statuses) {
    if (sampledAtMs < H || sampledAtMs >= H + HOUR_MS) continue
    add('sampleCount', 1)
    if (fields['vibrationMg'] !== undefined) vibrations.push(Number(fields['vibrationMg']))
  }
  if (vibrations.length > 0) exact['worstVibrationMg'] = Math.max(...vibrations)
  const runs = counterModel(readings, 'runCount')
  const energy = counterModel(readings, 'energyKWh')
  const growth = { runCount: 0, energyKWh: 0 }
  const counted = { runCount: 0, energyKWh: 0 }
  for (let atMs = H; atMs < H + HOUR_MS; atMs += 1000) {
    const isBelieved = (point: TelemetryPoint): boolean =>
      point.sampledAtMs <= atMs && atMs - point.sampledAtMs < STATE_SILENCE_MS_MAX
    const said = statuses
      .filter((point) => point.sampledAtMs <= atMs && point.fields['serviceMode'] !== undefined)
      .at(-1)
    const mode = said !== undefined && isBelieved(said) ? Number(said.fields['serviceMode']) : 7
    add(SERVICE_OF_MODE[mode] ?? 'unknownMs', 1000)
    const inTime = points.filter((point) => point.receivedAtMs - point.sampledAtMs <= STATE_SILENCE_MS_MAX)
    if (inTime.some(isBelieved)) add('onlineMs', 1000)
    for (const [name, spans] of [
      ['runCount', runs],
      ['energyKWh', energy],
    ] as const) {
      for (const { fromMs, toMs, by } of spans) {
        if (fromMs === toMs && fromMs === atMs) growth[name] += by
        if (fromMs > atMs || toMs <= atMs) continue
        growth[name] += (by * 1000) / (toMs - fromMs)
        counted[name] += 1000
      }
    }
  }
  const countedMs = Math.max(counted.runCount, counted.energyKWh)
  exact['countedMs'] = countedMs
  const known = (name: 'runCount' | 'energyKWh', max: number) =>
    countedMs > 0 && counted[name] === countedMs && growth[name] <= max ? growth[name] : undefined
  return { exact, runCount: known('runCount', 1_800), energyKWh: known('energyKWh', 360) }
}

/** From each reading of a counter to its next one, when nothing between them says that it was not counting. */
function counterModel(readings: readonly TelemetryPoint[], field: string) {
  const spans: { fromMs: number; toMs: number; by: number }[] = []
  let since = 0
  for (let n = 0; n < readings.length; n += 1) {
    const own = readings[n]
    const stretch = readings.slice(since, n)
    if (own === undefined) continue
    const bootBefore = stretch.at(-1)?.boot ?? own.boot
    const isCounting = (name: string, perSMax: number): boolean => {
      const before = stretch.filter((earlier) => earlier.fields[name] !== undefined).at(-1)
      if (before === undefined || own.fields[name] === undefined) return true
      const by = Number(own.fields[name]) - Number(before.fields[name])
      return by >= 0 && by <= perSMax * ((own.sampledAtMs - before.sampledAtMs) / 1000 + 60)
    }
    const bootsOn = own.boot - bootBefore
    if (!isCounting('runCount', 0.5) || !isCounting('energyKWh', 0.1) || bootsOn < 0 || bootsOn > 1) {
      since = n
      continue
    }
    const before = stretch.filter((earlier) => earlier.fields[field] !== undefined).at(-1)
    if (before === undefined || own.fields[field] === undefined) continue
    const by = Number(own.fields[field]) - Number(before.fields[field])
    if (own.sampledAtMs - before.sampledAtMs <= READING_GAP_MS_MAX)
      spans.push({ fromMs: before.sampledAtMs, toMs: own.sampledAtMs, by })
  }
  return spans
}
