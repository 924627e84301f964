import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LiveState } from '#contract/live'
import { startInflux, type InfluxServer } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { eventually, passwordOf, signIn, startProcess, type PlatformProcess } from './platform-process.ts'
import { readTerminals, statusOf, type Credentials } from './terminals.ts'

/** Runs Debian's `mosquitto_pub` or `mosquitto_sub`; answers its exit code and what it said. */
async function mosquitto(
  program: 'mosquitto_pub' | 'mosquitto_sub',
  mqttUrl: string,
  args: readonly string[],
): Promise<{ code: number | null; said: string }> {
  const { hostname, port } = new URL(mqttUrl)
  const child = spawn(program, ['-V', 'mqttv311', '-h', hostname, '-p', port, ...args])
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', () => reject(new Error(`${program} is missing: install the Debian package mosquitto-clients`)))
    child.once('close', resolve)
  })
  return { code, said }
}
const as = ({ serial, secret }: Credentials) => ['-i', serial, '-u', serial, '-P', secret]

/** One platform on the embedded store, one on a real InfluxDB; both must answer alike. */
describe.each(['embedded', 'InfluxDB'] as const)('a real MQTT client against the platform on %s', (kind) => {
  let platform: PlatformProcess
  let folder: Awaited<ReturnType<typeof tempFolder>>
  let influx: InfluxServer | undefined
  let terminals: Credentials[]
  let session: Awaited<ReturnType<typeof signIn>>

  beforeAll(async () => {
    folder = await tempFolder('terminal')
    influx = kind === 'InfluxDB' ? await startInflux() : undefined
    const data = join(folder.path, 'data')
    await mkdir(data)
    platform = await startProcess({
      PARTS: 'broker,ingest,api',
      DATA_DIR: data,
      DEMO_LIFTS: '8',
      ...(influx === undefined ? {} : { TELEMETRY_URL: `influx+${influx.url}/tiwang` }),
    })
    terminals = await readTerminals(data)
    session = await signIn(platform.apiUrl, 'operator', await passwordOf('operator', data))
  }, 90_000)
  afterAll(async () => {
    await platform[Symbol.asyncDispose]()
    await influx?.[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  const terminal = (index: number): Credentials => {
    const found = terminals[index]
    if (found === undefined) throw new Error(`there is no terminal ${index}`)
    return found
  }
  const refusals = async (code: string): Promise<number> => {
    const text = await (await fetch(`${platform.apiUrl}/metrics`)).text()
    return Number(new RegExp(`tiwang_broker_refusals_total\\{code="${code}"\\} (\\d+)`).exec(text)?.[1] ?? 0)
  }

  it('shows a published status within a second, and by range afterwards', async () => {
    const one = terminal(0)
    const status = statusOf(17, 48213, Date.now() - 100, {
      carStatus: 1,
      carDirection: 1,
      doorZone: false,
      positionMm: 6820,
      passengerPresent: true,
      passengerCount: 2,
      speedMps: 0.98,
      loadKg: 132,
    })
    const sent = await mosquitto('mosquitto_pub', platform.mqttUrl, [
      ...as(one),
      '-q',
      '1',
      '-t',
      `lifts/v1/${one.lift}/status`,
      '-m',
      JSON.stringify(status),
    ])
    expect(sent).toEqual({ code: 0, said: '' })
    const shown = await eventually(
      () => session.get<{ live: LiveState; freshness: string }>(`/api/v1/lifts/${one.lift}`),
      ({ live }) => live.status !== null,
      1_000,
    )
    expect(shown).toMatchObject({ freshness: 'fresh', live: { status, link: 'online', terminal: one.serial } })

    const range = `from=${new Date(status.sampledAtMs - 60_000).toISOString()}&to=${new Date(status.sampledAtMs + 60_000).toISOString()}`
    const history = await eventually(
      () =>
        session.get<{ points: object[] }>(
          `/api/v1/lifts/${one.lift}/history?field=positionMm&measurement=status&bucketMs=60000&${range}`,
        ),
      ({ points }) => points.length > 0,
      5_000,
    )
    expect(history.points).toMatchObject([{ min: 6820, max: 6820, mean: 6820, last: 6820, count: 1 }])
    const doors = await session.get<{ points: object[] }>(
      `/api/v1/lifts/${one.lift}/history?field=doorClosed&measurement=status&bucketMs=60000&${range}`,
    )
    expect(doors.points).toMatchObject([{ min: 1, max: 1, last: 1, count: 1 }])
  })

  it('refuses and counts a wrong password', async () => {
    const before = await refusals('admission.badCredentials')
    const one = terminal(1)
    const sent = await mosquitto('mosquitto_pub', platform.mqttUrl, [
      ...as({ ...one, secret: 'wrong' }),
      '-q',
      '1',
      '-t',
      `lifts/v1/${one.lift}/status`,
      '-m',
      '{}',
    ])
    expect(sent.code).not.toBe(0)
    expect(sent.said).toMatch(/not authori[sz]ed|bad user name or password/i)
    expect(await refusals('admission.badCredentials')).toBe(before + 1)
  })

  it('refuses and counts a publication under a foreign lift, and the lift shows nothing of it', async () => {
    const before = await refusals('admission.foreignTopic')
    const [mine, foreign] = [terminal(2), terminal(3)]
    const topic = `lifts/v1/${foreign.lift}/status`
    await mosquitto('mosquitto_pub', platform.mqttUrl, [
      ...as(mine),
      '-q',
      '1',
      '-t',
      topic,
      '-m',
      JSON.stringify(statusOf(1, 1, Date.now())),
    ])
    await eventually(
      () => refusals('admission.foreignTopic'),
      (count) => count > before,
      3_000,
    )
    const { live } = await session.get<{ live: LiveState }>(`/api/v1/lifts/${foreign.lift}`)
    expect(live.status).toBeNull()
  })

  it('refuses and counts a subscription', async () => {
    const before = await refusals('admission.subscribe')
    const answer = await mosquitto('mosquitto_sub', platform.mqttUrl, [
      ...as(terminal(4)),
      '-q',
      '1',
      '-t',
      '#',
      '-W',
      '2',
    ])
    expect(answer.said).toMatch(/denied|failed|rejected/i)
    expect(await refusals('admission.subscribe')).toBe(before + 1)
  })

  it.each([
    ['broken JSON', '{"v":1,', 'payload.notJson'],
    ['a wrong schema', JSON.stringify({ ...statusOf(1, 2, Date.now()), carStatus: 9 }), 'payload.schema'],
    ['a sample from the future', JSON.stringify(statusOf(1, 3, Date.now() + 600_000)), 'time.future'],
    ['a sample of last year', JSON.stringify(statusOf(1, 4, Date.now() - 365 * 86_400_000)), 'time.tooOld'],
  ])('acknowledges %s and keeps it in quarantine with its reason', async (_name, payload, reason) => {
    const one = terminal(5)
    const sent = await mosquitto('mosquitto_pub', platform.mqttUrl, [
      ...as(one),
      '-q',
      '1',
      '-t',
      `lifts/v1/${one.lift}/status`,
      '-m',
      payload,
    ])
    expect(sent).toEqual({ code: 0, said: '' })
    const admin = await signIn(platform.apiUrl, 'admin', await passwordOf('admin', join(folder.path, 'data')))
    const rows = await eventually(
      () => admin.get<{ items: { reason: string; payload: string; terminal: string }[] }>('/api/v1/quarantine'),
      ({ items }) => items.some((item) => item.reason === reason),
      5_000,
    )
    expect(rows.items.find((item) => item.reason === reason)).toMatchObject({ terminal: one.serial, payload })
    expect(await session.status('/api/v1/quarantine')).toBe(403)
  })

  it.each([
    [
      'a code without its code set',
      { kind: 'message', payload: JSON.stringify({ v: 1, boot: 1, seq: 1, id: 'a', code: 4 }) },
      'payload.codeSet',
    ],
    ['a payload above 16 KiB', { kind: 'status', payload: 'x'.repeat(40_000) }, 'payload.tooLarge'],
  ])('acknowledges %s and keeps it in quarantine', async (_name, { kind: topic, payload }, reason) => {
    const one = terminal(6)
    const sent = await mosquitto('mosquitto_pub', platform.mqttUrl, [
      ...as(one),
      '-q',
      '1',
      '-t',
      `lifts/v1/${one.lift}/${topic}`,
      '-m',
      payload,
    ])
    expect(sent).toEqual({ code: 0, said: '' })
    const admin = await signIn(platform.apiUrl, 'admin', await passwordOf('admin', join(folder.path, 'data')))
    await eventually(
      () => admin.get<{ items: { reason: string }[] }>('/api/v1/quarantine'),
      ({ items }) => items.some((item) => item.reason === reason),
      5_000,
    )
  })

  it('closes the connection on a payload that is far too large, and counts it', async () => {
    const one = terminal(7)
    const before = await refusals('admission.tooLarge')
    await mosquitto('mosquitto_pub', platform.mqttUrl, [
      ...as(one),
      '-q',
      '1',
      '-t',
      `lifts/v1/${one.lift}/status`,
      '-m',
      'x'.repeat(100_000),
    ])
    await eventually(
      () => refusals('admission.tooLarge'),
      (count) => count > before,
      3_000,
    )
  })
})
