import { describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'
import type { LiftId } from '#contract/ids'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore, type TelemetryPoint, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { eventually, startProcess, type PlatformProcess } from './platform-process.ts'
import { connectTerminal, readTerminals, statusOf, type Credentials } from './terminals.ts'

const ROUNDS = 10
const PUBLISHERS = 50
const IN_FLIGHT = 20

/** Publishes as fast as acknowledgements come, until the connection breaks; remembers every acknowledged (boot, seq). */
async function publishUntilCut(
  mqttUrl: string,
  terminal: Credentials,
  boot: number,
  acknowledged: Set<string>,
): Promise<void> {
  const client = await connectTerminal(mqttUrl, terminal)
  let seq = 0
  const cut = new Promise<void>((resolve) => client.once('close', () => resolve()))
  const publishOne = (): void => {
    seq += 1
    const status = statusOf(boot, seq, Date.now())
    const key = `${terminal.lift} ${boot} ${status.seq}`
    client.publish(`lifts/v1/${terminal.lift}/status`, JSON.stringify(status), { qos: 1 }, (error) => {
      if (error) return
      acknowledged.add(key)
      publishOne()
    })
  }
  for (let index = 0; index < IN_FLIGHT; index += 1) publishOne()
  await cut
  client.end(true)
}

/** Seeded, so that a failing run can be repeated: when, within a round, the program is killed. */
const killAfterMs = (round: number): number => 700 + ((round * 7919) % 1100)

describe('the whole program killed under load', () => {
  it('keeps every acknowledged message, and repeats change nothing', { timeout: 240_000 }, async () => {
    await using folder = await tempFolder('kill')
    const environment = {
      PARTS: 'broker,ingest,api',
      DATA_DIR: folder.path,
      DEMO_LIFTS: String(PUBLISHERS),
      LOG_LEVEL: 'info',
    }
    const startedAtMs = Date.now() - 60_000
    const acknowledged = new Set<string>()

    for (let round = 1; round <= ROUNDS; round += 1) {
      await using platform = await startProcess(environment)
      const terminals = await readTerminals(folder.path)
      const publishing = terminals.map((terminal) =>
        publishUntilCut(platform.mqttUrl, terminal, round, acknowledged).catch(() => {}),
      )
      await new Promise((wake) => setTimeout(wake, killAfterMs(round)))
      await platform.kill('SIGKILL')
      await Promise.all(publishing)
    }
    expect(acknowledged.size).toBeGreaterThan(ROUNDS * 500)

    const terminals = await readTerminals(folder.path)
    await using platform = await startProcess(environment)
    await repeatSome(platform, terminals, acknowledged)
    await drained(platform)
    expect(await platform.kill('SIGTERM')).toBe(0)

    await using store = await openTelemetryStore(`file:${folder.path}/telemetry`, { log: silentLog })
    const stored = new Map<string, number>()
    for (const { lift } of terminals) {
      for await (const { boot, seq } of allPoints(store, lift, startedAtMs)) {
        const key = `${lift} ${boot} ${seq}`
        stored.set(key, (stored.get(key) ?? 0) + 1)
      }
    }
    const lost = [...acknowledged].filter((key) => !stored.has(key))
    expect({ lostCount: lost.length, example: lost[0] }).toEqual({ lostCount: 0, example: undefined })
    expect([...stored.values()].filter((count) => count > 1)).toEqual([])
    // eslint-disable-next-line no-console -- the figure that the test stands for
    console.info(
      `${ROUNDS} kills: ${acknowledged.size} acknowledged, ${lost.length} lost, ${stored.size} stored, 0 twice`,
    )
  })
})

const PAGE = 50_000

/** Every status of a lift, page by page; a page ends between two milliseconds, so that none is read twice. */
async function* allPoints(store: TelemetryStore, lift: LiftId, startedAtMs: number): AsyncGenerator<TelemetryPoint> {
  let fromMs = startedAtMs
  for (;;) {
    const points = await store.points({ lift, measurement: 'status', fromMs, toMs: Date.now() + 60_000, limit: PAGE })
    const last = points.at(-1)
    if (last === undefined || points.length < PAGE) return yield* points
    yield* points.filter(({ sampledAtMs }) => sampledAtMs < last.sampledAtMs)
    fromMs = last.sampledAtMs
  }
}

/** Sends a message of some terminals twice, byte for byte as a device does that missed the acknowledgement. */
async function repeatSome(
  platform: PlatformProcess,
  terminals: readonly Credentials[],
  acknowledged: Set<string>,
): Promise<void> {
  for (const terminal of terminals.slice(0, 5)) {
    const client = await connectTerminal(platform.mqttUrl, terminal)
    const status = JSON.stringify(statusOf(ROUNDS + 1, 1, Date.now()))
    await client.publishAsync(`lifts/v1/${terminal.lift}/status`, status, { qos: 1 })
    await client.publishAsync(`lifts/v1/${terminal.lift}/status`, status, { qos: 1, dup: true })
    acknowledged.add(`${terminal.lift} ${ROUNDS + 1} 1`)
    await client.endAsync()
  }
}

/** Waits until both consumers of the journal have nothing left to do. */
async function drained(platform: PlatformProcess): Promise<void> {
  const lag = async () => {
    const text = await (await fetch(`${platform.apiUrl}/metrics`)).text()
    return ['detect', 'telemetry'].map((consumer) =>
      Number(new RegExp(`tiwang_ingest_${consumer}_lag_records (\\d+)`).exec(text)?.[1] ?? NaN),
    )
  }
  // The gauges are set every 5 s: two readings of zero apart from one another.
  await eventually(lag, (lags) => lags.every((each) => each === 0), 90_000)
  await new Promise((wake) => setTimeout(wake, 6_000))
  await eventually(lag, (lags) => lags.every((each) => each === 0), 90_000)
}
