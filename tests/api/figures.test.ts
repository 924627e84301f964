import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import { FIGURES_READY_MS, type HourFigures } from '#contract/figures'
import { HISTORY_POINTS_MAX, STATE_SILENCE_MS_MAX } from '#contract/history'
import { TelemetryStoreError, type TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { liftId, openWorld, type Json, type Who, type World } from './world.ts'

/** In Asia/Shanghai 18:20 of the same day. */
const NOW = Date.parse('2026-11-21T10:20:00Z')
const MINUTE = 60_000
const at = (utc: string): number => Date.parse(utc)

const stored = (lift: string, hour: string, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift: liftId(lift), hourAtMs: at(hour), sampleCount: 60, countedMs: HOUR_MS },
  ...{ inServiceMs: HOUR_MS, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0, onlineMs: HOUR_MS },
  ...more,
})
const status = (sampledAtMs: number, serviceMode: number): TelemetryPoint => ({
  ...{ measurement: 'status', lift: liftId('lift-a1'), sampledAtMs, boot: 1, seq: sampledAtMs / 1_000 },
  ...{ receivedAtMs: sampledAtMs + 50, fields: { serviceMode, vibrationMg: 3 } },
})
const reading = (utc: string, runCount: number): TelemetryPoint => ({
  ...status(at(utc), 0),
  measurement: 'statistics',
  fields: { runCount },
})
const every30s = (fromUtc: string, toUtc: string, mode: number): TelemetryPoint[] =>
  Array.from({ length: (at(toUtc) - at(fromUtc)) / 30_000 }, (_, n) => status(at(fromUtc) + n * 30_000, mode))

const FIGURES: readonly HourFigures[] = [
  // The 20th, 08:00 and 09:00 in Asia/Shanghai.
  stored('lift-a1', '2026-11-20T00:00:00Z', { runCount: 10, energyKWh: 0.1, worstVibrationMg: 12 }),
  stored('lift-a1', '2026-11-20T01:00:00Z', {
    ...{ runCount: 6, countedMs: HOUR_MS / 2, energyKWh: 0.2, worstVibrationMg: 5 },
    ...{ inServiceMs: 0, outOfServiceMs: 20 * MINUTE, maintenanceMs: 30 * MINUTE, unknownMs: 10 * MINUTE },
    onlineMs: 50 * MINUTE,
  }),
  // The 21st, 00:00, 08:00 and 16:00. The last one is within the hours that would be computed.
  stored('lift-a1', '2026-11-20T16:00:00Z', { runCount: 2 }),
  stored('lift-a1', '2026-11-21T00:00:00Z', { runCount: 20 }),
  stored('lift-a1', '2026-11-21T08:00:00Z', { runCount: 7 }),
  // What is not over, or has not begun, is not believed, whoever stored it.
  stored('lift-a1', '2026-11-21T10:00:00Z', { runCount: 999 }),
  stored('lift-a1', '2026-11-21T12:00:00Z', { runCount: 999 }),
  stored('lift-a2', '2026-11-20T00:00:00Z', { runCount: 1, outOfServiceMs: HOUR_MS, inServiceMs: 0 }),
  stored('lift-b1', '2026-10-31T16:00:00Z', { runCount: 4 }),
  stored('lift-b1', '2026-10-31T15:00:00Z', { runCount: 3 }),
]
const SAMPLES: readonly TelemetryPoint[] = [
  // 13:00 in Asia/Shanghai: too long ago to be computed when it is asked for.
  ...every30s('2026-11-21T05:00:00Z', '2026-11-21T05:10:00Z', 1),
  // Stored already, and not computed again.
  status(at('2026-11-21T08:30:00Z'), 0),
  ...every30s('2026-11-21T09:30:00Z', '2026-11-21T10:00:00Z', 2),
  ...every30s('2026-11-21T10:00:00Z', '2026-11-21T10:20:00Z', 1),
  // A terminal whose clock is ahead.
  status(NOW + 60_000, 0),
  ...[0, 15, 30, 45].map((minute) => reading(`2026-11-21T09:${String(minute).padStart(2, '0')}:00Z`, 100 + minute / 5)),
  reading('2026-11-21T10:00:00Z', 112),
  reading('2026-11-21T10:15:00Z', 115),
]

let world: World
let nowMs = NOW
beforeAll(async () => {
  world = await openWorld({ nowMs: () => nowMs })
  await world.telemetry.putFigures(FIGURES)
  await world.telemetry.append(SAMPLES)
})
afterAll(() => world[Symbol.asyncDispose]())

async function answerOf(path: string, as: Who = 'operator'): Promise<Json> {
  const { status: code, json, text } = await world.ask(`/api/v1/${path}`, { as })
  expect(code, text).toBe(200)
  return json
}
const rowsOf = async (query: string): Promise<Json[]> => [
  ...((await answerOf(`lifts/lift-a1/figures?${query}`))['rows'] ?? []),
]

describe('figures of a lift', () => {
  it('are those of its days, with the time that each counter covers', async () => {
    expect(await answerOf('lifts/lift-a1/figures?from=2026-11-20&to=2026-11-21')).toEqual({
      ...{ lift: 'lift-a1', period: 'day', from: '2026-11-19T16:00:00.000Z', to: '2026-11-20T16:00:00.000Z' },
      ...{ until: '2026-11-20T16:00:00.000Z', isRunning: false },
      rows: [
        {
          ...{ label: '2026-11-20', from: '2026-11-19T16:00:00.000Z', to: '2026-11-20T16:00:00.000Z' },
          ...{ until: '2026-11-20T16:00:00.000Z', isRunning: false, hourCount: 2, sampleCount: 120 },
          ...{ runCount: 16, energyKWh: 0.3, worstVibrationMg: 12 },
          countedMs: {
            ...{ runCount: 1.5 * HOUR_MS, energyKWh: 1.5 * HOUR_MS },
            ...{ doorCycleCount: 0, ropeBendCount: 0, runTimeS: 0, distanceM: 0 },
          },
          ...{ inServiceMs: HOUR_MS, outOfServiceMs: 20 * MINUTE, maintenanceMs: 30 * MINUTE },
          ...{ unknownMs: 22 * HOUR_MS + 10 * MINUTE, onlineMs: HOUR_MS + 50 * MINUTE },
          ...{ availability: 0.75, unknownShare: (22 * 60 + 10) / (24 * 60), onlineShare: 110 / (24 * 60) },
        },
      ],
    })
  })

  it('of a day that is running speak of what has passed, and never of the hours of tonight', async () => {
    const [today, ...none] = await rowsOf('from=2026-11-21')
    expect(none).toEqual([])
    const knownMs = 3 * HOUR_MS + 30 * MINUTE + 20 * MINUTE
    expect(today).toMatchObject({
      ...{ label: '2026-11-21', from: '2026-11-20T16:00:00.000Z', to: '2026-11-21T16:00:00.000Z' },
      ...{ until: '2026-11-21T10:20:00.000Z', isRunning: true, hourCount: 5 },
      // Stored 2 + 20 + 7; computed 12 of the hour that ended and is not stored, 3 of the one that is running.
      ...{ runCount: 44, countedMs: { runCount: 4 * HOUR_MS + 15 * MINUTE } },
      ...{ inServiceMs: 3 * HOUR_MS + 20 * MINUTE, outOfServiceMs: 0, maintenanceMs: 30 * MINUTE },
      ...{ availability: 1, unknownMs: NOW - at('2026-11-20T16:00:00Z') - knownMs },
      // The readings of 09:00 and 09:15 were fresh samples too, though they say no state.
      ...{ onlineMs: knownMs + 2 * STATE_SILENCE_MS_MAX, sampleCount: 3 * 60 + 60 + 40 },
    })
    expect(today?.['unknownShare']).toBeCloseTo(1 - knownMs / (18 * HOUR_MS + 20 * MINUTE), 12)
  })

  it('come by the hour, those of the last hours also when they are not stored', async () => {
    const rows = await rowsOf('period=hour&from=2026-11-21T07:59:59Z&to=2026-11-22')
    expect(rows.map(({ label, runCount, unknownMs, isRunning }) => [label, runCount, unknownMs, isRunning])).toEqual([
      ['2026-11-21T07:00:00.000Z', undefined, HOUR_MS, false],
      ['2026-11-21T08:00:00.000Z', 7, 0, false],
      ['2026-11-21T09:00:00.000Z', 12, 30 * MINUTE, false],
      ['2026-11-21T10:00:00.000Z', 3, 0, true],
    ])
    const [early] = await rowsOf('period=hour&from=2026-11-21T05:00:00Z&to=2026-11-21T06:00:00Z')
    expect(early).toMatchObject({ hourCount: 0, unknownShare: 1, sampleCount: 0 })
    expect(early).not.toHaveProperty('availability')
  })

  it('are whole periods of Asia/Shanghai, by default the last 30 days, 24 hours, 12 months', async () => {
    const days = await rowsOf('')
    expect([days.length, days[0]?.['label'], days.at(-1)?.['label']]).toEqual([30, '2026-10-23', '2026-11-21'])
    const hours = await rowsOf('period=hour')
    expect([hours.length, hours[0]?.['label']]).toEqual([24, '2026-11-20T11:00:00.000Z'])
    const months = await answerOf('lifts/lift-b1/figures?period=month')
    expect([...(months['rows'] ?? [])].slice(-2)).toMatchObject([
      { label: '2026-10', runCount: 3, hourCount: 1, isRunning: false, to: '2026-10-31T16:00:00.000Z' },
      { label: '2026-11', runCount: 4, hourCount: 1, isRunning: true, until: '2026-11-21T10:20:00.000Z' },
    ])
    expect(months['rows']).toHaveLength(12)
    const touched = await rowsOf('from=2026-11-20T15:59:59.999Z&to=2026-11-20T16:00:00.001Z')
    expect(touched.map(({ label }) => label)).toEqual(['2026-11-20', '2026-11-21'])
    expect((await rowsOf('from=2026-10&to=2026-11')).length).toBe(31)
    expect((await rowsOf('from=2021-11-20&to=2026-11-22')).length).toBe(5 * 365 + 1 + 2)
    expect(await rowsOf(`period=hour&from=2026-08-01&to=2026-10-23T00:00:00Z`)).toHaveLength(HISTORY_POINTS_MAX)
  })

  it('come as a file for a spreadsheet', async () => {
    const { headers, text } = await world.ask('/api/v1/lifts/lift-a1/figures?format=csv&from=2026-11-20', {
      as: 'operator',
    })
    expect(headers['content-type']).toBe('text/csv; charset=utf-8; header=present')
    expect(headers['content-disposition']).toBe('attachment; filename="lift-a1-figures-2026-11-20-to-2026-11-21.csv"')
    const [header = '', day = '', today = '', end, ...more] = text.split('\r\n')
    expect([end, more]).toEqual(['', []])
    expect(header.charCodeAt(0)).toBe(0xfeff)
    const names = header.slice(1).split(',')
    const cell = (line: string, name: string) => line.split(',')[names.indexOf(name)]
    const told = ['lift', 'label [Asia/Shanghai]', 'runCount', 'runCount countedMs', 'doorCycleCount', 'availability']
    expect(told.map((name) => cell(day, name))).toEqual(['lift-a1', '2026-11-20', '16', '5400000', '', '0.75'])
    expect(cell(today, 'until [UTC]')).toBe('2026-11-21T10:20:00.000Z')
    for (const line of [day, today]) expect(line.split(',')).toHaveLength(names.length)
  })
})

describe('availability of a lift', () => {
  it('leaves maintenance out and tells what is unknown apart', async () => {
    expect(await answerOf('lifts/lift-a1/availability?from=2026-11-20&to=2026-11-21')).toEqual({
      ...{ lift: 'lift-a1', from: '2026-11-19T16:00:00.000Z', to: '2026-11-20T16:00:00.000Z' },
      ...{ until: '2026-11-20T16:00:00.000Z', isRunning: false, availability: 0.75, hourCount: 2 },
      ...{ inServiceMs: HOUR_MS, outOfServiceMs: 20 * MINUTE, maintenanceMs: 30 * MINUTE },
      ...{ unknownMs: 22 * HOUR_MS + 10 * MINUTE, unknownShare: (22 * 60 + 10) / (24 * 60) },
      ...{ onlineMs: 110 * MINUTE, onlineShare: 110 / (24 * 60) },
    })
  })

  it('is of the last 30 days up to now unless told, and absent where nothing is known', async () => {
    const usual = await answerOf('lifts/lift-a1/availability')
    expect(usual).toMatchObject({
      ...{ from: '2026-10-22T16:00:00.000Z', to: '2026-11-21T11:00:00.000Z', until: '2026-11-21T10:20:00.000Z' },
      ...{ isRunning: true, inServiceMs: 4 * HOUR_MS + 20 * MINUTE, maintenanceMs: HOUR_MS },
    })
    expect(usual['availability']).toBeCloseTo(260 / 280, 12)
    const silent = await answerOf('lifts/lift-nobody/availability')
    expect(silent).not.toHaveProperty('availability')
    expect(silent).toMatchObject({ hourCount: 0, unknownShare: 1, onlineShare: 0 })
  })
})

describe('runs of a lift by the hour of the day', () => {
  it('are told of all 24 hours of Asia/Shanghai, with a mean of the counted time', async () => {
    const { rows, ...span } = await answerOf('lifts/lift-a1/runs-by-hour')
    expect(span).toMatchObject({ lift: 'lift-a1', from: '2026-10-22T16:00:00.000Z', isRunning: true })
    const expected = Array.from({ length: 24 }, (_, hour): Record<string, number> => ({
      hour,
      dayCount: 0,
      countedMs: 0,
    }))
    expected[0] = { hour: 0, dayCount: 1, countedMs: HOUR_MS, runCount: 2, meanRunCount: 2 }
    expected[8] = { hour: 8, dayCount: 2, countedMs: 2 * HOUR_MS, runCount: 30, meanRunCount: 15 }
    // Six runs in half an hour are twelve in an hour.
    expected[9] = { hour: 9, dayCount: 1, countedMs: HOUR_MS / 2, runCount: 6, meanRunCount: 12 }
    expected[16] = { hour: 16, dayCount: 1, countedMs: HOUR_MS, runCount: 7, meanRunCount: 7 }
    expected[17] = { hour: 17, dayCount: 1, countedMs: HOUR_MS, runCount: 12, meanRunCount: 12 }
    expected[18] = { hour: 18, dayCount: 1, countedMs: HOUR_MS / 4, runCount: 3, meanRunCount: 12 }
    expect(rows).toEqual(expected)
  })
})

describe('figures of the fleet', () => {
  const idsOf = ({ items }: Json) => [...(items ?? [])].map(({ lift }) => lift)

  it('are those of each lift in scope, also of those of which nothing is known', async () => {
    const answer = await answerOf('figures?from=2026-11-20&to=2026-11-21')
    expect(idsOf(answer)).toEqual(['lift-a1', 'lift-a2', 'lift-b1', 'lift-nobody'])
    expect(answer).toMatchObject({ next: null, isRunning: false, until: '2026-11-20T16:00:00.000Z' })
    const row = (await rowsOf('from=2026-11-20&to=2026-11-21'))[0]
    const { label: _, from: _from, to: _to, until: _until, isRunning: _running, ...figures } = { ...row }
    expect(answer['items']?.[0]).toEqual({ lift: 'lift-a1', ...figures })
    expect(answer['items']?.[1]).toMatchObject({ runCount: 1, availability: 0 })
    expect(answer['items']?.[3]).toMatchObject({ hourCount: 0, unknownShare: 1, unknownMs: 24 * HOUR_MS })
    expect(answer['items']?.[3]).not.toHaveProperty('runCount')
    expect(idsOf(await answerOf('figures', 'alpha'))).toEqual(['lift-a1', 'lift-a2'])
    expect(idsOf(await answerOf('figures', 'beta'))).toEqual(['lift-b1'])
  })

  it('speak of stored hours alone, up to the last one that must be stored by now', async () => {
    const today = await answerOf('figures?from=2026-11-21')
    expect(today).toMatchObject({ until: '2026-11-21T10:00:00.000Z', to: '2026-11-21T16:00:00.000Z', isRunning: true })
    expect(today['items']?.[0]).toMatchObject({ runCount: 29, hourCount: 3, unknownMs: 15 * HOUR_MS })
    try {
      nowMs = at('2026-11-21T10:00:00Z') + FIGURES_READY_MS - 1
      expect(await answerOf('figures?from=2026-11-21')).toMatchObject({ until: '2026-11-21T09:00:00.000Z' })
      // Of a day that has just begun there is nothing to tell, and no share of nothing.
      nowMs = at('2026-11-21T16:05:00Z')
      const begun = await answerOf('figures/total?from=2026-11-22')
      expect(begun).toMatchObject({ until: begun['from'], isRunning: true, hourCount: 0, unknownMs: 0 })
      expect(begun).not.toHaveProperty('unknownShare')
    } finally {
      nowMs = NOW
    }
  })

  it('come in pages of the same time, whenever the next one is asked for', async () => {
    const first = await answerOf('figures?limit=3')
    expect(idsOf(first)).toEqual(['lift-a1', 'lift-a2', 'lift-b1'])
    expect(first['from']).toBe('2026-10-22T16:00:00.000Z')
    const next = String(first['next'])
    try {
      nowMs = NOW + 12 * HOUR_MS
      const second = await answerOf(`figures?limit=3&after=${next}`)
      expect(idsOf(second)).toEqual(['lift-nobody'])
      expect(second).toMatchObject({ from: first['from'], to: first['to'], until: first['until'], next: null })
      expect(idsOf(await answerOf(`figures?after=${next}&from=2026-10-23&to=2026-11-22`))).toEqual(['lift-nobody'])
    } finally {
      nowMs = NOW
    }
    // A page is of whoever asks for it.
    expect(idsOf(await answerOf(`figures?after=${next}`, 'beta'))).toEqual([])
    for (const after of ['x', next.slice(1), Buffer.from('["lift-a1",0,3600000,0]').toString('base64url')])
      expect((await world.ask(`/api/v1/figures?after=${after}`, { as: 'operator' })).json).toMatchObject({
        status: 400,
        code: 'history.badCursor',
      })
    const other = await world.ask(`/api/v1/figures?after=${next}&from=2026-11-01`, { as: 'operator' })
    expect(other.json).toMatchObject({ status: 400, code: 'history.badCursor' })
  })

  it('are totals of the time of all lifts in scope', async () => {
    expect(await answerOf('figures/total?from=2026-11-20&to=2026-11-21')).toEqual({
      ...{ from: '2026-11-19T16:00:00.000Z', to: '2026-11-20T16:00:00.000Z', until: '2026-11-20T16:00:00.000Z' },
      ...{ isRunning: false, liftCount: 4, liftsWithFigures: 2, hourCount: 3, sampleCount: 180 },
      ...{ runCount: 17, energyKWh: 0.3, worstVibrationMg: 12 },
      countedMs: {
        ...{ runCount: 2.5 * HOUR_MS, energyKWh: 1.5 * HOUR_MS },
        ...{ doorCycleCount: 0, ropeBendCount: 0, runTimeS: 0, distanceM: 0 },
      },
      ...{ inServiceMs: HOUR_MS, outOfServiceMs: 80 * MINUTE, maintenanceMs: 30 * MINUTE },
      ...{ unknownMs: 93 * HOUR_MS + 10 * MINUTE, onlineMs: 170 * MINUTE },
      ...{ availability: 60 / 140, unknownShare: (93 * 60 + 10) / (96 * 60), onlineShare: 170 / (96 * 60) },
    })
    const own = await answerOf('figures/total?from=2026-11-20&to=2026-11-21', 'beta')
    expect(own).toMatchObject({ liftCount: 1, liftsWithFigures: 0, unknownShare: 1 })
    expect(own).not.toHaveProperty('runCount')
  })
})

describe('a question about figures', () => {
  const paths = [
    ...['lifts/lift-a1/figures', 'lifts/lift-a1/availability', 'lifts/lift-a1/runs-by-hour'],
    ...['figures', 'figures/total'],
  ]
  const wrong = [
    ['a reversed range', 'from=2026-11-21&to=2026-11-20', 'history.badRange'],
    ['a range of no time', 'from=2026-11-21&to=2026-11-21', 'history.badRange'],
    ['a huge range', 'from=2001-01-01&to=2026-11-21', 'history.badRange'],
    ['a range in the future', 'from=2026-11-23&to=2026-11-24', 'history.badRange'],
    ['a range before 1992', 'from=1991-12-31T15:59:59Z&to=1992-01-02', 'history.badRange'],
    ['a day before 1992', 'from=1990-05-01&to=1990-05-02', 'history.badRange'],
    ['a range in 9999', 'from=2026-11-01&to=9999-12-31', 'history.badRange'],
    ['30 February', 'from=2026-02-30&to=2026-03-02', 'history.badRange'],
    ['a 13th month', 'from=2025-13&to=2026-03-02', 'history.badRange'],
    ['a day without zeros', 'from=2026-2-3', 'history.badRange'],
    ['a year', 'from=2026', 'history.badRange'],
    ['no instant', 'from=yesterday', 'history.badRange'],
    ['an offset that was lost on the way', 'from=2026-11-20T00:00:00+08:00', 'history.badRange'],
    ['an empty begin', 'from=', 'history.badRange'],
    ['a range that is NaN', 'from=NaN&to=NaN', 'history.badRange'],
    ['an unknown parameter', 'sql=1', 'request.invalid'],
    ['two begins', 'from=2026-11-01&from=2026-11-02', 'request.invalid'],
  ] as const
  it.each(paths.flatMap((path) => wrong.map(([name, query, code]) => ({ path, name, query, code }))))(
    'to $path is refused with $name',
    async ({ path, query, code }) => {
      const { headers, json } = await world.ask(`/api/v1/${path}?${query}`, { as: 'operator' })
      expect(headers['content-type']).toContain('application/problem+json')
      expect(json).toMatchObject({ status: 400, code, type: `urn:tiwang:problem:${code}` })
      if (code === 'history.badRange') expect(String(json['detail']).length).toBeGreaterThan(20)
    },
  )

  it.each([
    ['lifts/lift-a1/figures?period=week', 'request.invalid'],
    ['lifts/lift-a1/figures?period=', 'request.invalid'],
    ['lifts/lift-a1/figures?format=xls', 'request.invalid'],
    ['lifts/lift-a1/figures?period=hour&from=2026-08-01&to=2026-10-23T00:00:01Z', 'history.badRange'],
    ['figures?from=2025-11-01&to=2026-11-21', 'history.badRange'],
    ['figures/total?from=2025-11-01&to=2026-11-21', 'history.badRange'],
    ['figures/total?limit=1', 'request.invalid'],
    ['figures?limit=0', 'request.invalid'],
    ['figures?limit=501', 'request.invalid'],
  ])('%s is refused', async (path, code) => {
    expect((await world.ask(`/api/v1/${path}`, { as: 'operator' })).json).toMatchObject({ status: 400, code })
  })

  it('about a lift that is unknown, or that somebody else serves, finds nothing', async () => {
    for (const what of ['figures', 'availability', 'runs-by-hour'])
      for (const [lift, as] of [
        ['lift-zz', 'operator'],
        ['lift-b1', 'alpha'],
        ['lift-nobody', 'alpha'],
      ] as const) {
        const { json } = await world.ask(`/api/v1/lifts/${lift}/${what}`, { as })
        expect(json).toMatchObject({ status: 404, code: 'notFound' })
      }
  })

  it('finds a store that is away, and says so', async () => {
    const away = async () => {
      throw new TelemetryStoreError('away', 'connect ECONNREFUSED 10.1.2.3:8086')
    }
    const telemetry = { ...world.telemetry, figures: away, sums: away }
    await using broken = await openWorld({ telemetry, nowMs: () => NOW }, world)
    for (const path of paths) {
      const answer = await broken.ask(`/api/v1/${path}`, { as: 'operator' })
      expect(answer.json).toMatchObject({ status: 503, code: 'store.away' })
      expect(answer.text).not.toContain('10.1.2.3')
    }
  })
})
