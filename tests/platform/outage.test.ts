import { describe, expect, it } from 'vitest'
import type { LiveState } from '#contract/live'
import { silentLog } from '#contract/log-events'
import { openTelemetryStore } from '#storage/telemetry/telemetry-store'
import { startInflux } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { eventually, passwordOf, signIn, startProcess } from './platform-process.ts'
import { connectTerminal, readTerminals, statusOf } from './terminals.ts'

/** Two minutes, as an operator would see it when a database is upgraded. */
const OUTAGE_MS = 120_000
const PUBLISH_EVERY_MS = 50

describe('InfluxDB stopped for two minutes under load', () => {
  it('leaves the wall moving, and afterwards holds every sample', { timeout: 300_000 }, async () => {
    await using folder = await tempFolder('outage')
    await using influx = await startInflux()
    await using platform = await startProcess({
      PARTS: 'broker,ingest,api',
      DATA_DIR: folder.path,
      DEMO_LIFTS: '20',
      TELEMETRY_URL: `influx+${influx.url}/tiwang`,
    })
    const session = await signIn(platform.apiUrl, 'operator', await passwordOf('operator', folder.path))
    const terminals = await readTerminals(folder.path)
    const clients = await Promise.all(terminals.map((terminal) => connectTerminal(platform.mqttUrl, terminal)))
    const startedAtMs = Date.now()
    const acknowledged = new Map<string, number>(terminals.map(({ lift }) => [lift, 0]))
    let seq = 0
    const publish = (): void => {
      seq += 1
      for (const [index, { lift }] of terminals.entries()) {
        const payload = JSON.stringify(statusOf(1, seq, Date.now(), { positionMm: seq }))
        clients[index]?.publish(`lifts/v1/${lift}/status`, payload, { qos: 1 }, (error) => {
          if (!error) acknowledged.set(lift, (acknowledged.get(lift) ?? 0) + 1)
        })
      }
    }
    const timer = setInterval(publish, PUBLISH_EVERY_MS)
    const [first] = terminals
    if (first === undefined) throw new Error('there is a terminal')
    const seqOnTheWall = async (): Promise<number> =>
      (await session.get<{ live: LiveState }>(`/api/v1/lifts/${first.lift}`)).live.status?.seq ?? 0

    await eventually(seqOnTheWall, (shown) => shown > 20, 10_000)
    await influx.stop()
    const stoppedAtMs = Date.now()
    let checks = 0
    let degradedWas = false
    while (Date.now() - stoppedAtMs < OUTAGE_MS) {
      const before = await seqOnTheWall()
      await eventually(seqOnTheWall, (shown) => shown > before, 2_000)
      degradedWas ||= (await fetch(`${platform.apiUrl}/readyz`)).status === 503
      checks += 1
      await new Promise((wake) => setTimeout(wake, 2_000))
    }
    expect(checks).toBeGreaterThan(30)
    expect(degradedWas).toBe(true)
    await influx.start()
    await new Promise((wake) => setTimeout(wake, 3_000))
    clearInterval(timer)
    await new Promise((wake) => setTimeout(wake, 1_000))
    await Promise.all(clients.map((client) => client.endAsync()))

    await using store = await openTelemetryStore(`influx+${influx.url}/tiwang`, { log: silentLog })
    const range = { measurement: 'status', fromMs: startedAtMs, toMs: Date.now() + 60_000 } as const
    for (const { lift } of terminals) {
      const sent = acknowledged.get(lift) ?? 0
      expect(sent).toBeGreaterThan(OUTAGE_MS / PUBLISH_EVERY_MS / 2)
      await eventually(
        () => store.count({ lift, ...range }),
        (count) => count >= sent,
        60_000,
      )
      expect(await store.count({ lift, ...range })).toBe(sent)
    }
    await eventually(
      async () => (await fetch(`${platform.apiUrl}/readyz`)).status,
      (status) => status === 200,
      15_000,
    )
  })
})
