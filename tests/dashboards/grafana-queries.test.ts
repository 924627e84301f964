/** Every query of the dashboards, asked of a real InfluxDB as Grafana asks it, and what people then read on the panels. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard'
import { faultOf } from '#contract/faults'
import type { Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { SERVICE_MODES } from '#contract/telemetry'
import { DASHBOARDS, DATABASE, OFFERED_LIFTS_MAX } from '#dashboards/grafana/layout'
import { buildLift } from '#dashboards/grafana/lift'
import { buildOverview } from '#dashboards/grafana/overview'
import * as status from '#dashboards/grafana/queries/status'
import { openTelemetryStore, type TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { startInflux, type InfluxServer } from '../servers/influx.ts'
import {
  dress,
  factsOf,
  grafana,
  overridesOf,
  read,
  targetsOf,
  toFrames,
  type Answer,
  type Target,
} from './grafana-data.ts'

const NOW_MS = 1795190400000
const MINUTE_MS = 60_000
const RANGE_MS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 24 * 60 * MINUTE_MS }
/** A lift for each service mode. One is looked at; another stands outside the door zone with somebody inside. */
const LIFTS = SERVICE_MODES.map((_, code) => `yinghua-${code + 1}-1` as LiftId)
const [, LIFT = '' as LiftId, TRAPPED = '' as LiftId] = LIFTS

const panelsOf = (dashboard: Dashboard) => (dashboard.panels ?? []) as Panel[]
const panels = [
  ...panelsOf(buildOverview()).map((panel) => ({ dashboard: DASHBOARDS.overview.uid, panel, lift: '' })),
  ...panelsOf(buildLift()).map((panel) => ({ dashboard: DASHBOARDS.lift.uid, panel, lift: String(LIFT) })),
]
const panelOf = (uid: string, title: RegExp): Panel => {
  const found = panels.filter(({ dashboard, panel }) => dashboard === uid && title.test(panel.title ?? ''))
  if (found.length !== 1 || found[0] === undefined)
    throw new Error(`${found.length} panels are called ${String(title)}`)
  return found[0].panel
}
const toMs = (span: string) => Number(span.slice(0, -1)) * (RANGE_MS[span.slice(-1)] ?? Number.NaN)

/** What Grafana puts into a query: the range, a bucket no narrower than the panel's, and the variables. */
function fillIn(
  query: string,
  panel: Pick<Panel, 'timeFrom' | 'interval'>,
  variables: Readonly<Record<string, string>>,
): string {
  const fromMs = NOW_MS - toMs(panel.timeFrom ?? '3h')
  return query
    .replaceAll('$timeFilter', `time >= ${fromMs}ms and time <= ${NOW_MS}ms`)
    .replaceAll('$__interval', panel.interval ?? '10s')
    .replaceAll(/\$([a-z]+)\b/g, (_, name: string) => {
      const value = variables[name]
      if (value === undefined) throw new Error(`no value for $${name}`)
      return grafana.escapeRegex(value)
    })
}

function seeds(): TelemetryPoint[] {
  let seq = 0
  const point = (
    measurement: Measurement,
    lift: LiftId,
    agoMs: number,
    fields: TelemetryPoint['fields'],
    receivedAgoMs = agoMs,
  ): TelemetryPoint => {
    seq += 1
    return {
      measurement,
      lift,
      sampledAtMs: NOW_MS - agoMs,
      boot: 3,
      seq,
      receivedAtMs: NOW_MS - receivedAgoMs,
      fields,
    }
  }
  const still = {
    carStatus: 0,
    carDirection: 0,
    doorZone: true,
    doorStatus: 2,
    doorClosed: true,
    passengerPresent: false,
  }
  const measured = {
    ...{ carPosition: '3', floorIndex: 2, positionMm: 6820, passengerCount: 2, speedMps: 0.98, loadKg: 132 },
    ...{
      alarmButton: false,
      safetyCircuitClosed: true,
      temperatureC: 24.1,
      vibrationMg: 7.2,
      rssiDbm: -71,
      batteryPct: 100,
    },
  }
  const points = LIFTS.flatMap((lift, serviceMode) =>
    // Before its newest status every lift was out of service.
    [3, 2, 1].map((minute) =>
      point('status', lift, minute * MINUTE_MS, { serviceMode: minute === 1 ? serviceMode : 0, ...still, ...measured }),
    ),
  )
  points.push(
    point('status', TRAPPED, 30_000, {
      serviceMode: 2,
      ...still,
      ...measured,
      doorZone: false,
      passengerPresent: true,
    }),
  )
  points.push(
    point('status', LIFT, 20_000, {
      serviceMode: 1,
      ...still,
      ...measured,
      carPosition: '2.5',
      carStatus: 1,
      rssiDbm: -112,
    }),
  )
  for (const [index, runCount] of [1_000, 1_010, 1_030, 4].entries())
    points.push(
      point('statistics', LIFT, (60 - index * 15) * MINUTE_MS, {
        runCount,
        doorOpenCount: runCount * 2,
        energyKWh: runCount / 10,
      }),
    )
  for (const [codeSet, kind, code] of [
    ['gbt24476', 'fault', 4],
    ['gbt24476', 'event', 41],
    ['gbt24476', 'alarm', 90],
    ['gbt24476', 'fault', 77],
    ['vendor-sh', 'fault', 4],
  ] as const)
    points.push(
      point('message', LIFT, code * 1_000, {
        id: `m-${codeSet}-${code}`,
        codeSet,
        kind,
        code,
        raised: true,
        snapshot: '{}',
      }),
    )
  for (const lift of LIFTS)
    points.push(point('connection', lift, 90 * MINUTE_MS, { state: 'online', terminal: 'TJ-0007', firmware: '1.10' }))
  // Its clock runs ten minutes ahead: by sample time it is online after it went offline.
  points.push(point('connection', TRAPPED, 5 * MINUTE_MS, { state: 'online', terminal: 'TJ-0008' }, 15 * MINUTE_MS))
  points.push({
    ...point('connection', TRAPPED, 14 * MINUTE_MS, { state: 'offline', terminal: 'TJ-0008' }),
    boot: 0,
    seq: 0,
  })
  return points
}

let influx: InfluxServer
beforeAll(async () => {
  influx = await startInflux()
  await using store = await openTelemetryStore(influx.storeUrl(DATABASE), { log: silentLog })
  await store.append(seeds())
  await influx.query('CREATE DATABASE empty')
})
afterAll(() => influx?.[Symbol.asyncDispose]())

async function ask(target: Target, panel: Panel, lift: string, database: string = DATABASE): Promise<Answer> {
  return (await influx.query(fillIn(target.query, panel, { lift, find: '' }), database)) as Answer
}
async function framesOf(panel: Panel, lift: string) {
  const answers = await Promise.all(
    targetsOf(panel).map(async (target) => toFrames(target, await ask(target, panel, lift))),
  )
  return answers.flat()
}
const tableOf = async (panel: Panel, lift: string): Promise<Record<string, string>[]> => {
  const [frame] = dress(panel, await framesOf(panel, lift))
  if (frame === undefined) return []
  return Array.from({ length: frame.length }, (_, row) =>
    Object.fromEntries(frame.fields.map((field) => [field.name, read(field, row).text])),
  )
}

describe.each(panels)('$dashboard: $panel.title', ({ panel, lift }) => {
  it('is answered by a real InfluxDB, with rows for every query', async () => {
    for (const target of targetsOf(panel)) {
      const answer = await ask(target, panel, lift)
      const [result] = answer.results
      expect(answer.error ?? result?.error, target.query).toBeUndefined()
      expect(result?.series?.[0]?.values.length, target.query).toBeGreaterThan(0)
    }
  })

  it('is empty, and no error, on an empty database', async () => {
    for (const target of targetsOf(panel))
      expect(await ask(target, panel, lift, 'empty'), target.query).toEqual({ results: [{ statement_id: 0 }] })
  })

  it('has overrides that find their fields', async () => {
    const frames = await framesOf(panel, lift)
    const found = new Set(
      frames.flatMap((frame) =>
        frame.fields.flatMap((field) =>
          overridesOf(panel, field, frame, frames).map(({ matcher }) => matcher.options as string),
        ),
      ),
    )
    for (const { matcher } of panel.fieldConfig?.overrides ?? []) expect(found).toContain(matcher.options)
  })
})

describe('on the overview', () => {
  const { uid } = DASHBOARDS.overview

  it('every lift that was heard is counted, and stands in its service mode', async () => {
    const heard = panelOf(uid, /Heard/)
    expect(factsOf(heard, await framesOf(heard, ''))).toMatchObject({ 电梯: { text: '8' } })
    const modes = panelOf(uid, /Service mode/)
    const values = factsOf(modes, await framesOf(modes, ''))
    for (const { zh, en } of SERVICE_MODES) expect(values[`${zh} ${en}`]?.text, en).toBe('1')
  })

  it('a terminal that said goodbye is offline even when its clock runs ahead', async () => {
    const links = panelOf(uid, /Terminal links/)
    const values = factsOf(links, await framesOf(links, ''))
    expect(values['在线 online']?.text).toBe('7')
    expect(values['离线 offline']).toEqual({ text: '1', color: '#86a9cf' })
  })

  it('the lift that stands outside the zone with somebody inside is listed alone', async () => {
    const rows = await tableOf(panelOf(uid, /outside the zone/), '')
    expect(rows.map(({ lift }) => lift)).toEqual([TRAPPED])
  })

  it('the lists are narrowed by a part of the lift id', async () => {
    const silent = panelOf(uid, /Silent/)
    expect(await tableOf(silent, '')).toHaveLength(LIFTS.length)
    expect((await tableOf(silent, 'hua-4')).map(({ lift }) => lift)).toEqual(['yinghua-4-1'])
  })

  it('a replaced controller does not count backwards', async () => {
    const most = await tableOf(panelOf(uid, /Most runs/), '')
    expect(most).toEqual([expect.objectContaining({ lift: LIFT, runCount: '30' })])
  })

  it('a code is read in its own set, and an unknown one stays a number', async () => {
    const read = async (set: string) =>
      (await tableOf(panelOf(uid, new RegExp(`· ${set}$`)), '')).map(({ code }) => code)
    const named = (code: number) => `${code} ${faultOf('gbt24476', code)?.zh} ${faultOf('gbt24476', code)?.en}`
    expect((await read('gbt24476')).sort()).toEqual([named(4), named(41), '77', named(90)].sort())
    expect(await read('vendor-sh')).toEqual(['4 运行中开门 door open while running'])
  })

  it('a weak signal has the colour of its priority', async () => {
    const panel = panelOf(uid, /Weakest/)
    const [frame] = dress(panel, await framesOf(panel, ''))
    const signal = frame?.fields.find(({ name }) => name === 'rssiDbm')
    if (signal?.display === undefined) throw new Error('there is no signal')
    expect(signal.display(-112).color).toBe('#ffe585')
    expect(signal.display(-105).color).toBe('#86a9cf')
    expect(signal.display(-71)).toMatchObject({ text: '-71', suffix: ' dbm', color: '#8e9ba8' })
  })
})

describe('on the dashboard of a lift', () => {
  const { uid } = DASHBOARDS.lift

  it('the newest status is read in words, with the landing as people call it', async () => {
    const panel = panelOf(uid, /Newest status/)
    const values = factsOf(panel, await framesOf(panel, LIFT))
    expect(Object.keys(values)).not.toContain('Time')
    expect(Object.fromEntries(Object.entries(values).map(([title, { text }]) => [title, text]))).toMatchObject({
      '楼层 Landing': '2.5',
      '服务模式 Mode': '正常运行 normal',
      '轿厢 Car': '运行 running',
      '门区 Zone': '门区内 in zone',
      '轿门 Door': '关门到位 closed',
      '有人 Occupied': '无人 empty',
      '安全回路 Safety circuit': '接通 closed',
    })
  })

  it('the firmware 1.10 is not the number 1.1', async () => {
    const panel = panelOf(uid, /^终端 Terminal/)
    const values = factsOf(panel, await framesOf(panel, LIFT))
    expect(values).toMatchObject({ '固件 Firmware': { text: '1.10' }, '终端 Terminal': { text: 'TJ-0007' } })
  })

  it('a time without samples is empty, neither zero nor the last value', async () => {
    const panel = panelOf(uid, /^位置/)
    const [frame] = await framesOf(panel, LIFT)
    const values = frame?.fields[1]?.values ?? []
    expect(values.filter((value) => value !== null)).toHaveLength(4)
    expect(values.length).toBeGreaterThan(1_000)
    expect(panel.fieldConfig?.defaults.custom).toMatchObject({ spanNulls: 120_000 })
  })

  it('nothing of another lift is shown, even when ids begin alike', async () => {
    await using store = await openTelemetryStore(influx.storeUrl(DATABASE), { log: silentLog })
    const [like] = seeds()
    if (like === undefined) throw new Error('there are seeds')
    await store.append([{ ...like, lift: `${LIFT}0` as LiftId, fields: { ...like.fields, positionMm: 9_999 } }])
    const [frame] = await framesOf(panelOf(uid, /^位置/), LIFT)
    expect(frame?.fields[1]?.values.filter((value) => value !== null)).toEqual([6820, 6820, 6820, 6820])
  })

  it('the list of lifts is narrowed by the filter and has an end', async () => {
    const offered = async (find: string) => {
      const answer = (await influx.query(fillIn(status.offeredLifts, {}, { find }), DATABASE)) as Answer
      return (answer.results[0]?.series?.[0]?.values ?? []).map(([, value]) => value)
    }
    expect(await offered('hua-3')).toEqual([TRAPPED])
    await using store = await openTelemetryStore(influx.storeUrl(DATABASE), { log: silentLog })
    const [like] = seeds()
    if (like === undefined) throw new Error('there are seeds')
    await store.append(
      Array.from({ length: 1_000 }, (_, index) => ({
        ...like,
        lift: `many-${index}` as LiftId,
        sampledAtMs: NOW_MS - 86_400_000,
      })),
    )
    expect(await offered('')).toHaveLength(OFFERED_LIFTS_MAX)
    expect(await offered('many-997')).toEqual(['many-997'])
  })
})
