import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dayLabel, HOUR_MS } from '#contract/calendar'
import { HELP, readWishes, withoutSecrets } from '#storage/telemetry/copy-command-line'
import { toNanoseconds } from '#storage/telemetry/influx-line'
import { startAnswering } from '../servers/answering.ts'
import { INFLUX_USER } from '../servers/influx.ts'
import {
  allFigures,
  allPoints,
  D0,
  DAY_MS,
  fill,
  hour,
  HOURS,
  LIFTS,
  open,
  randomPoints,
  runCommand,
  startCommand,
  startStores,
} from './telemetry-copying.ts'
import { LIFT, statusPoint } from './telemetry-points.ts'

describe('the command that copies a telemetry store', () => {
  let stores: Awaited<ReturnType<typeof startStores>>
  let fileUrl = ''
  let influxUrl = ''
  let database = ''
  beforeAll(async () => {
    stores = await startStores()
  })
  afterAll(() => stores[Symbol.asyncDispose]())
  beforeEach(() => {
    ;({ fileUrl, influxUrl, database } = stores.next())
  })

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
      await target.putFigures([hour(77, LIFT, { sampleCount: 119, runCount: 2, runTimeS: 9 })])
    }
    await stores.write(database, `status,lift=${changed.lift} loadKg=-7 ${toNanoseconds(changed)}`)
    await stores.server.query(
      `DELETE FROM message WHERE lift = '${lost.lift}' AND time = ${toNanoseconds(lost)}`,
      database,
    )

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

    // What is missing comes back, and figures of more samples; a day with as many points is believed, and found out by the comparison.
    const third = await runCommand(['copy', '--from', fileUrl, '--to', influxUrl])
    expect(third).toMatchObject({ code: 1 })
    expect(third.out).toMatch(/ rows and 1 hourly figures; skipped/)
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

  it('ends at once on a second signal, whichever it is', async () => {
    await fill(fileUrl, [statusPoint({ atMs: D0 })])
    await using silent = await startAnswering(({ url = '' }) =>
      url.startsWith('/write') ? undefined : { status: 200, body: { results: [{ series: [] }] } },
    )
    const { child, ended, said } = startCommand(['copy', '--from', fileUrl, '--to', silent.storeUrl])
    await said(/^Copying/)
    while (!silent.asked.some(({ line }) => line.includes('/write'))) await setTimeout(20)
    child.kill('SIGINT')
    await said(/Ending after the batch/)
    child.kill('SIGTERM')
    await ended
    expect(child.signalCode).toBe('SIGTERM')
  })

  it('hides the credentials of an address whatever is in them', () => {
    for (const password of ['p w', 'p/w', 'p@w', 'p@ /w', ' p@w/ @', 'p\nw'])
      expect(withoutSecrets(`--to=influx+http://u:${password}@host:8086/x is wrong`)).toBe(
        '--to=influx+http://…@host:8086/x is wrong',
      )
    expect(() => readWishes(['copy', '--too=influx+http://u:open sesame@host/x'])).toThrow(/^(?!.*(open|sesame))/s)
  })
})
