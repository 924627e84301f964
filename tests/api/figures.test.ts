import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOUR_MS } from '#contract/calendar'
import { HISTORY_POINTS_MAX, STATE_SILENCE_MS_MAX } from '#contract/history'
import { answerOf, at, MINUTE, NOW, openFiguresWorld } from './figures-world.ts'
import type { Json, World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openFiguresWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const rowsOf = async (query: string): Promise<Json[]> => [
  ...((await answerOf(world, `lifts/lift-a1/figures?${query}`))['rows'] ?? []),
]

describe('figures of a lift', () => {
  it('are those of its days, with the time that each counter covers', async () => {
    expect(await answerOf(world, 'lifts/lift-a1/figures?from=2026-11-20&to=2026-11-21')).toEqual({
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
    const months = await answerOf(world, 'lifts/lift-b1/figures?period=month')
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

  it('by the hour come as a file with local times under the local label', async () => {
    const path =
      '/api/v1/lifts/lift-a1/figures?format=csv&period=hour&from=2026-11-20T15:59:00Z&to=2026-11-20T16:01:00Z'
    const { text } = await world.ask(path, { as: 'operator' })
    const [header = '', ...lines] = text.split('\r\n')
    expect(header.split(',').slice(1, 3)).toEqual(['label [Asia/Shanghai]', 'from [UTC]'])
    expect(lines.filter((line) => line !== '').map((line) => line.split(',').slice(1, 3))).toEqual([
      ['2026-11-20 23:00:00.000', '2026-11-20T15:00:00.000Z'],
      ['2026-11-21 00:00:00.000', '2026-11-20T16:00:00.000Z'],
    ])
  })

  it('tell of an hour in which the lift was online, though nothing else is known of it', async () => {
    const { rows } = await answerOf(world, 'lifts/lift-a2/figures?period=hour&from=2026-11-21T08:00:00Z')
    const told = [...(rows ?? [])].map(({ hourCount, onlineMs, unknownMs, sampleCount }) => [
      ...[hourCount, onlineMs, unknownMs, sampleCount],
    ])
    expect(told).toEqual([
      [0, 0, HOUR_MS, 0],
      [1, STATE_SILENCE_MS_MAX, HOUR_MS, 0],
      [0, 0, 20 * MINUTE, 0],
    ])
  })
})

describe('availability of a lift', () => {
  it('leaves maintenance out and tells what is unknown apart', async () => {
    expect(await answerOf(world, 'lifts/lift-a1/availability?from=2026-11-20&to=2026-11-21')).toEqual({
      ...{ lift: 'lift-a1', from: '2026-11-19T16:00:00.000Z', to: '2026-11-20T16:00:00.000Z' },
      ...{ until: '2026-11-20T16:00:00.000Z', isRunning: false, availability: 0.75, hourCount: 2 },
      ...{ inServiceMs: HOUR_MS, outOfServiceMs: 20 * MINUTE, maintenanceMs: 30 * MINUTE },
      ...{ unknownMs: 22 * HOUR_MS + 10 * MINUTE, unknownShare: (22 * 60 + 10) / (24 * 60) },
      ...{ onlineMs: 110 * MINUTE, onlineShare: 110 / (24 * 60) },
    })
  })

  it('is of the last 30 days up to now unless told, and absent where nothing is known', async () => {
    const usual = await answerOf(world, 'lifts/lift-a1/availability')
    expect(usual).toMatchObject({
      ...{ from: '2026-10-22T16:00:00.000Z', to: '2026-11-21T11:00:00.000Z', until: '2026-11-21T10:20:00.000Z' },
      ...{ isRunning: true, inServiceMs: 4 * HOUR_MS + 20 * MINUTE, maintenanceMs: HOUR_MS },
    })
    expect(usual['availability']).toBeCloseTo(260 / 280, 12)
    const silent = await answerOf(world, 'lifts/lift-nobody/availability')
    expect(silent).not.toHaveProperty('availability')
    expect(silent).toMatchObject({ hourCount: 0, unknownShare: 1, onlineShare: 0 })
  })
})

describe('runs of a lift by the hour of the day', () => {
  it('are told of all 24 hours of Asia/Shanghai, with a mean of the counted time', async () => {
    const { rows, ...span } = await answerOf(world, 'lifts/lift-a1/runs-by-hour')
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
