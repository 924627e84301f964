import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dayLabel, dayStartMs, HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import { MEASUREMENTS, type FieldType, type Measurement } from '#contract/history'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { HELP, readWishes } from '#storage/telemetry/copy-command-line'
import { copyTelemetry, PointRefused, type CopyOptions, type CopyResult } from '#storage/telemetry/copy'
import { toNanoseconds } from '#storage/telemetry/influx-line'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { chanceOf } from '../chance.ts'
import { startAnswering } from '../servers/answering.ts'
import { INFLUX_USER, startInflux, type InfluxServer } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { LIFT, OTHER_LIFT, statusPoint } from './telemetry-points.ts'

const DAY_MS = 24 * HOUR_MS
/** The retention counts from the present, so the tests live there. */
const D0 = dayStartMs(Date.now()) - 6 * DAY_MS
const LIFTS = [LIFT, OTHER_LIFT, 'a-1' as LiftId]
const DAYS = [0, 1, 4]
const TEXTS = ['', ' ', 'a, b=c', '"quoted"', 'back\\slash', 'two\nlines', '电梯🛗', 'status,lift=x boot=1i 1']
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })

/** All measurements and types, gaps in them, several boots, samples of one millisecond, late ones; the same for the same seed. */
function randomPoints(seed: number, count: number): TelemetryPoint[] {
  const chance = chanceOf(seed)
  const below = (n: number): number => Math.floor(chance() * n)
  const valueOf = (type: FieldType): number | string | boolean =>
    ({
      integer: below(2) === 0 ? below(200) - 50 : Number.MAX_SAFE_INTEGER - below(9),
      number: below(3) === 0 ? below(100) + 1 : (chance() - 0.5) * 10 ** below(9),
      boolean: below(2) === 0,
      string: TEXTS[below(TEXTS.length)] ?? '',
    })[type]
  const measurements = Object.keys(MEASUREMENTS) as Measurement[]
  return Array.from({ length: count }, (_, seq): TelemetryPoint => {
    const measurement = measurements[below(3) === 0 ? below(4) : 0] ?? 'status'
    const sampledAtMs = D0 + (DAYS[below(DAYS.length)] ?? 0) * DAY_MS + (below(5) === 0 ? below(3) : below(DAY_MS))
    const fields = Object.entries(MEASUREMENTS[measurement]).filter(
      ([name]) => !['boot', 'seq', 'receivedAtMs'].includes(name) && below(4) > 0,
    )
    return {
      measurement,
      lift: LIFTS[below(LIFTS.length)] ?? LIFT,
      sampledAtMs,
      boot: below(3),
      seq,
      receivedAtMs: sampledAtMs + below(90_000),
      fields: Object.fromEntries(fields.map(([name, type]) => [name, valueOf(type)])),
    }
  })
}

const hour = (n: number, lift: LiftId, more: Partial<HourFigures> = {}): HourFigures => ({
  ...{ lift, hourAtMs: D0 + n * HOUR_MS, sampleCount: 120, countedMs: HOUR_MS, inServiceMs: HOUR_MS },
  ...{ outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 0, onlineMs: HOUR_MS, ...more },
})
const HOURS = [hour(0, OTHER_LIFT, { energyKWh: 0.1 }), hour(0, LIFT), hour(77, LIFT, { runCount: 3, runTimeS: 9.5 })]

/** The command as people start it. */
function startCommand(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', 'storage/telemetry/command.ts', ...args], {
    cwd: root,
    env: { ...process.env, TELEMETRY_URL: '', ...settings },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  const ended = once(child, 'close').then(([code]: unknown[]) => {
    for (const secret of [INFLUX_USER.password, encodeURIComponent(INFLUX_USER.password), 'p@ss'])
      expect(out + err).not.toContain(secret)
    expect(err).not.toMatch(/\n\s+at /)
    return { code, out, err }
  })
  const said = async (words: RegExp): Promise<void> => {
    while (!words.test(err) && child.exitCode === null) await new Promise((wake) => setTimeout(wake, 20))
    expect(err).toMatch(words)
  }
  return { child, ended, said }
}
const runCommand = (...given: Parameters<typeof startCommand>) => startCommand(...given).ended

function copied(
  source: TelemetryStore,
  target: TelemetryStore,
  more: Partial<CopyOptions> & { signal?: AbortSignal; onAway?: () => void } = {},
): Promise<CopyResult> {
  const { signal = new AbortController().signal, onAway = () => {}, ...options } = more
  return copyTelemetry({
    ...{ source, target, fromMs: 0, samplesKeptFromMs: 0, figuresKeptFromMs: 0, verifyOnly: false },
    patience: { awayMsMax: 20_000, signal, onAway },
    onProgress: () => {},
    ...options,
  })
}

async function allPoints(store: TelemetryStore): Promise<TelemetryPoint[]> {
  const found: TelemetryPoint[] = []
  for (const measurement of Object.keys(MEASUREMENTS) as Measurement[])
    for (const lift of LIFTS)
      found.push(...(await store.points({ measurement, lift, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 9_999 })))
  return found
}
const allFigures = (store: TelemetryStore): Promise<HourFigures[]> =>
  store.figures({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 9_999 })

describe('a copy of a telemetry store', () => {
  let server: InfluxServer
  let folder: Awaited<ReturnType<typeof tempFolder>>
  let last = 0
  let fileUrl = ''
  let influxUrl = ''
  let database = ''
  beforeAll(async () => {
    server = await startInflux({ auth: true })
    folder = await tempFolder('copy')
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    last += 1
    database = `copy-${last}`
    fileUrl = `file:${folder.path}/${database}`
    influxUrl = server.storeUrl(database)
  })
  async function fill(url: string, points: readonly TelemetryPoint[], hours: readonly HourFigures[] = []) {
    await using store = await open(url)
    for (let first = 0; first < points.length; first += 5_000) await store.append(points.slice(first, first + 5_000))
    await store.putFigures(hours)
  }
  const write = (line: string): Promise<Response> => {
    const { name, password } = INFLUX_USER
    return fetch(`${server.url}/write?db=${database}&precision=ns`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` },
      body: line,
    })
  }

  it('has every sample and every figure, whatever they are, and a comparison finds what was tampered with', async () => {
    const points = randomPoints(1, 3_000)
    await fill(fileUrl, points, HOURS)
    const first = await runCommand(['copy', '--from', fileUrl, '--to', influxUrl])
    expect(first).toMatchObject({ code: 0 })
    expect(first.out).toMatch(/Copied 3 000 rows and 3 hourly figures\./)
    expect(first.out).toMatch(/status +3 +3 +[\d ]+ {2}equal\n/)
    expect(first.out).toMatch(/hourly figures +2 +2 +3 {2}equal\n/)
    expect(first.out).toContain('Equal: everything of the source is in the target')
    const changed = points.find(({ measurement, fields }) => measurement === 'status' && 'loadKg' in fields)
    const lost = points.find(({ measurement, sampledAtMs }) => measurement === 'message' && sampledAtMs > D0 + 9)
    if (changed === undefined || lost === undefined) throw new Error('the stream is too poor')
    {
      await using source = await open(fileUrl)
      await using target = await open(influxUrl)
      expect(await allPoints(target)).toEqual(await allPoints(source))
      expect(await allFigures(target)).toEqual(HOURS)
      await target.putFigures([hour(77, LIFT, { runCount: 4, runTimeS: 9.5 })])
    }
    await write(`status,lift=${changed.lift} loadKg=-7 ${toNanoseconds(changed)}`)
    await server.query(`DELETE FROM message WHERE lift = '${lost.lift}' AND time = ${toNanoseconds(lost)}`, database)

    const second = await runCommand(['copy', '--verify-only', '--from', fileUrl, '--to', influxUrl])
    expect(second).toMatchObject({ code: 1 })
    expect(second.out).toContain('Different: 1 rows are missing in the target, 2 have other values there.')
    expect(second.out).toContain(
      `  ${dayLabel(lost.sampledAtMs)} message of ${lost.lift}: 1 missing, 0 with other values\n`,
    )
    expect(second.out).toContain(
      `  ${dayLabel(changed.sampledAtMs)} status of ${changed.lift}: 0 missing, 1 with other values\n`,
    )
    expect(second.out).toContain(
      `  ${dayLabel(D0 + 77 * HOUR_MS)} hourly figures of ${LIFT}: 0 missing, 1 with other values\n`,
    )

    // What is missing comes back; a day with as many points is believed, and found out by the comparison.
    const third = await runCommand(['copy', '--from', fileUrl, '--to', influxUrl])
    expect(third).toMatchObject({ code: 1 })
    expect(third.out).toContain('Different: 0 rows are missing in the target, 1 have other values there.')
  })

  it('goes on after a kill in the middle, and says what it found there', async () => {
    const days = [0, 1, 2, 3, 4, 5].flatMap((day) =>
      Array.from({ length: 5_000 }, (_, n) =>
        statusPoint({ atMs: D0 + day * DAY_MS + n * 1_000, seq: day * 5_000 + n, lift: LIFTS[n % 3] ?? LIFT }),
      ),
    )
    await fill(fileUrl, days, HOURS)
    // A day is read in one stretch and is one batch, two of which are under way: at the fifth, three are taken.
    const copier = fileURLToPath(new URL('telemetry-copier.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', copier, fileUrl, influxUrl, '5'], { stdio: 'ignore' })
    const [, signal] = (await once(child, 'close')) as unknown[]
    expect(signal).toBe('SIGKILL')
    const { code, out } = await runCommand(['copy', '--from', fileUrl, '--to', influxUrl])
    expect(code).toBe(0)
    const [, copiedCount, skippedDays, skippedCount] =
      /Copied ([\d ]+) rows and 3 hourly figures; skipped (\d) days of a measurement with ([\d ]+) rows/.exec(out) ?? []
    const toCount = (text = ''): number => Number(text.replaceAll(' ', ''))
    expect(toCount(skippedDays)).toBeGreaterThanOrEqual(3)
    expect(toCount(skippedDays)).toBeLessThanOrEqual(5)
    expect(toCount(skippedCount)).toBe(toCount(skippedDays) * 5_000)
    expect(toCount(copiedCount) + toCount(skippedCount)).toBe(30_000)
    expect(out).toMatch(/status +6 +3 +30 000 {2}equal\n/)
    const again = await runCommand(['copy', '--from', fileUrl, '--to', influxUrl])
    expect(again.out).toContain(
      'Copied 0 rows and 0 hourly figures; skipped 6 days of a measurement with 30 000 rows that were there already.',
    )
  })

  it('goes from InfluxDB into a folder as well, and from folder to folder', async () => {
    const points = randomPoints(2, 2_000)
    await fill(influxUrl, points, HOURS)
    await using source = await open(influxUrl)
    await using target = await open(fileUrl)
    const there = await copied(source, target)
    expect(there).toMatchObject({ copiedCount: 2_000, figuresPutCount: 3, skippedDayCount: 0, leftOutCount: 0 })
    expect(there.comparison).toMatchObject({ isWhole: true, liftDays: [] })
    await using next = await open(`${fileUrl}-next`)
    expect((await copied(target, next)).comparison.isWhole).toBe(true)
    expect(await allPoints(next)).toEqual(await allPoints(source))
    expect(await allFigures(next)).toEqual(HOURS)
  })

  it('leaves what the target has of its own, and tells a sample that came there by another way from a loss', async () => {
    const points = randomPoints(3, 200)
    await fill(fileUrl, points)
    const [own, other] = [points[0], points[1]]
    if (own === undefined || other === undefined) throw new Error('there are no points')
    const extra = { ...own, seq: 9_999 }
    await fill(`${fileUrl}-own`, [{ ...own, receivedAtMs: 1 }, { ...other, fields: {} }, extra])
    await using source = await open(fileUrl)
    await using target = await open(`${fileUrl}-own`)
    const { comparison } = await copied(source, target)
    expect(comparison.sums).toEqual({ missing: 0, changed: 1, receivedOtherwise: 1, extra: 1 })
    expect(comparison.isWhole).toBe(false)
    expect(comparison.liftDays.filter(({ changed }) => changed > 0)).toMatchObject([
      { what: other.measurement, day: dayLabel(other.sampledAtMs), lift: other.lift },
    ])
    expect(await target.stretch({ ...own, fromMs: own.sampledAtMs, toMs: own.sampledAtMs + 1 })).toMatchObject({
      points: expect.arrayContaining([extra]) as unknown,
    })
  })

  it('leaves out what is older than the target keeps, and says how much', async () => {
    const points = randomPoints(4, 900)
    await fill(fileUrl, points, HOURS)
    const countSince = (atMs: number): number => points.filter(({ sampledAtMs }) => sampledAtMs >= atMs).length
    // Four days ago was one of the days without samples, whatever the time of day.
    const keptCount = countSince(D0 + 3 * DAY_MS)
    const settings = { TELEMETRY_RETENTION_DAYS: '4' }
    const { code, out } = await runCommand(['copy', '--from', fileUrl, '--to', influxUrl], settings)
    expect(code).toBe(0)
    expect(out).toContain(`Copied ${keptCount} rows and 3 hourly figures.`)
    expect(out).toContain(`Left out: ${900 - keptCount} rows older than the 4 days that samples are kept`)
    const since = dayLabel(D0 + DAY_MS)
    const some = await runCommand(['copy', '--from', fileUrl, '--to', `${fileUrl}-some`, '--days-from', since])
    expect(some.out).toContain(`Copied ${countSince(D0 + DAY_MS)} rows and 1 hourly figures.`)
    expect(some.out).not.toContain('Left out')
    // The source is only read.
    await using source = await open(fileUrl)
    expect(await allPoints(source)).toHaveLength(900)
  })

  it('waits for a target that is away and goes on when it is back', async () => {
    await fill(fileUrl, randomPoints(5, 500))
    await using source = await open(fileUrl)
    await using target = await open(influxUrl)
    await server.stop()
    let backAgain: Promise<void> | undefined
    const { comparison } = await copied(source, target, { onAway: () => void (backAgain ??= server.start()) })
    await backAgain
    expect(backAgain).toBeDefined()
    expect(comparison.isWhole).toBe(true)
  })

  it('gives up a target that stays away', async () => {
    await fill(fileUrl, randomPoints(5, 10))
    await using source = await open(fileUrl)
    await using gone = await open('influx+http://127.0.0.1:9/x')
    const patience = { awayMsMax: 700, signal: new AbortController().signal, onAway: () => {} }
    await expect(copied(source, gone, { patience })).rejects.toMatchObject({ kind: 'away' })
  })

  it('stops after the batch under way when it is asked to, and goes on from there', async () => {
    const points = Array.from({ length: 15_000 }, (_, n) => statusPoint({ atMs: D0 + n * 1_000, seq: n, fields: {} }))
    await fill(fileUrl, points)
    await using source = await open(fileUrl)
    await using target = await open(`${fileUrl}-stopped`)
    const stopping = new AbortController()
    const reason = new Error('asked to stop')
    const onProgress = ({ phase }: { phase: string }) => void (phase === 'copying' && stopping.abort(reason))
    await expect(copied(source, target, { signal: stopping.signal, onProgress })).rejects.toBe(reason)
    const count = await target.count({ lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER })
    expect(count).toBeGreaterThanOrEqual(5_000)
    expect(count).toBeLessThan(15_000)
    expect((await copied(source, target)).comparison.isWhole).toBe(true)
  })

  it('names the point that the target will never take', async () => {
    const points = Array.from({ length: 40 }, (_, n) =>
      statusPoint({ atMs: D0 + n * 1_000, seq: n, fields: n === 23 ? { loadKg: 1 } : { speedMps: 1 } }),
    )
    await fill(fileUrl, points)
    await using source = await open(fileUrl)
    await using target = await open(influxUrl)
    await target.check()
    await write(`status,lift=x loadKg="much" ${D0}000000`)
    const failure: unknown = await copied(source, target).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(PointRefused)
    expect(String(failure)).toMatch(
      new RegExp(`status of lift ${LIFT}, sampled ${new Date(D0 + 23_000).toISOString()}, boot 17, seq 23: .*loadKg`),
    )
  })

  it('says what it is for, what is wrong with a wish, and never repeats a password', async () => {
    const secret = `influx+http://tiwang:${encodeURIComponent(INFLUX_USER.password)}@127.0.0.1:9/x`
    const wrong = [
      [['copy', secret], /There is one command, copy/],
      [['copy', '--from', fileUrl], /--to is missing/],
      [['copy', '--to', secret, '--days-from', '2026-02-30'], /--days-from: give a day/],
      [['copy', `--too=${secret}`], /Unknown option/],
      [['copy', '--verify-only=x', secret], /does not take an argument/],
    ] as const
    for (const [args, words] of wrong) expect(() => readWishes(args)).toThrow(words)
    for (const [args] of wrong) expect(() => readWishes(args)).toThrow(/^(?!.*p(@|%40)ss)/s)
    const [help, wish, nowhere, same, away, noUrl] = await Promise.all(
      [
        ['--help'],
        ['copy', secret],
        ['copy', '--from', `${fileUrl}-nowhere`, '--to', secret],
        ['copy', '--from', secret, '--to', secret],
        ['copy', '--from', secret, '--to', fileUrl],
        ['copy', '--from', `${secret}/y`, '--to', fileUrl],
      ].map((args) => runCommand(args)),
    )
    expect(help).toMatchObject({ code: 0, err: '', out: HELP })
    expect(wish).toMatchObject({
      code: 2,
      err: 'There is one command, copy, and everything else is an option. Try --help.\n',
    })
    expect(nowhere).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^--from: there is no telemetry store in/) as unknown,
    })
    expect(same).toMatchObject({ code: 1, err: expect.stringContaining('the same store') as unknown })
    expect(away).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^--from: InfluxDB at 127\.0\.0\.1:9 cannot/) as unknown,
    })
    expect(noUrl).toMatchObject({ code: 1, err: expect.stringContaining('--from has to look like') as unknown })
  })

  it('tells who has the source open', async () => {
    await using store = await open(fileUrl)
    await store.append([statusPoint({ atMs: D0 })])
    const { code, err } = await runCommand(['copy', '--to', influxUrl], { TELEMETRY_URL: fileUrl })
    expect(code).toBe(1)
    expect(err).toContain(`is open in another process (pid ${process.pid}): stop it`)
    expect(err).toContain('stop the program first')
  })

  it('ends when it is asked to while a store is away, and says how to go on', async () => {
    await fill(fileUrl, [statusPoint({ atMs: D0 })])
    await using away = await startAnswering(({ url = '' }) => {
      if (url.startsWith('/write')) return { status: 503, body: { error: 'timeout' } }
      return { status: 200, body: { results: [{ series: [] }] } }
    })
    const { child, ended, said } = startCommand(['copy', '--from', fileUrl, '--to', away.storeUrl])
    await said(/503.*Trying again in/)
    child.kill('SIGINT')
    const { code, err } = await ended
    expect(code).toBe(130)
    expect(err).toContain('Run the same command again: it goes on where it was.')
  })
})
