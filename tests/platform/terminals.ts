import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import mqtt from 'mqtt'
import { isLiftId, type LiftId } from '#contract/ids'
import type { Status } from '#contract/telemetry'

export type Credentials = { readonly serial: string; readonly lift: LiftId; readonly secret: string }

/** The terminals of the demonstration town, with their secrets. */
export async function readTerminals(dataFolder: string): Promise<Credentials[]> {
  const file = JSON.parse(await readFile(join(dataFolder, 'simulated-terminals.json'), 'utf8')) as {
    terminals: { serial: string; lift: string; secret: string }[]
  }
  return file.terminals.map(({ lift, ...rest }) => {
    if (!isLiftId(lift)) throw new Error(`${lift} is no lift id`)
    return { lift, ...rest }
  })
}

/** Connects as that terminal; fails with the broker's answer when it is refused. */
export async function connectTerminal(
  mqttUrl: string,
  { serial, secret }: Omit<Credentials, 'lift'>,
): Promise<mqtt.MqttClient> {
  const options = { clientId: serial, username: serial, password: secret, reconnectPeriod: 0, connectTimeout: 10_000 }
  const client = await mqtt.connectAsync(mqttUrl, options, false)
  client.on('error', () => {}) // a cut connection is told by 'close'
  return client
}

/** A lift that stands at landing 3 with its doors shut and nobody inside. */
export const statusOf = (boot: number, seq: number, sampledAtMs: number, change: Partial<Status> = {}): Status => ({
  v: 1,
  boot,
  seq,
  sampledAtMs,
  serviceMode: 1,
  carStatus: 0,
  carDirection: 0,
  doorZone: true,
  carPosition: '3',
  floorIndex: 2,
  positionMm: 5_600,
  doorStatus: 2,
  doorClosed: true,
  passengerPresent: false,
  passengerCount: 0,
  speedMps: 0,
  ...change,
})
