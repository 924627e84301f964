import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { startBrowser, type TestBrowser } from '../servers/browser.ts'
import { startInflux } from '../servers/influx.ts'
import { natsServer } from '../servers/nats.ts'
import { startPostgres } from '../servers/postgres.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { AsyncDisposables } from './disposables.ts'
import { eventually, passwordOf, startProcess, type PlatformProcess } from './platform-process.ts'
import { connectTerminal, statusOf, type Credentials } from './terminals.ts'
import { watchEntrapment, watchTown, type Town } from './town-watch.ts'

const PARTS = ['broker', 'ingest', 'api', 'simulator'] as const
/** What a person writes into .env. */
const ENV_FILE: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: 'secret1',
  INFLUX_PASSWORD: 'secret2',
  INFLUX_TOKEN: 'secret3',
  INFLUX_READER_PASSWORD: 'secret4',
  GRAFANA_PASSWORD: 'secret5',
  SIMULATOR_FAULT_MINUTES: '0',
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, as compose fills them in. */
const filledIn = (text: string): string =>
  text.replace(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_all, name: string, sign: string | undefined, rest: string | undefined) => {
      const value = ENV_FILE[name] ?? (sign === '-' ? rest : undefined)
      if (value === undefined) throw new Error(`compose asks for ${name}`)
      return value
    },
  )

/** The environment of each part as docker-compose.yml gives it. */
async function composeEnvironments(): Promise<Map<string, Record<string, string>>> {
  const text = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8')
  const { services } = parse(text, { merge: true }) as {
    services: Record<string, { environment?: Record<string, string | number> }>
  }
  return new Map(
    PARTS.map((part) => {
      const environment = services[part]?.environment
      if (environment === undefined) throw new Error(`docker-compose.yml has no environment for ${part}`)
      return [
        part,
        Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filledIn(String(value))])),
      ]
    }),
  )
}

/** The processes of docker-compose.yml with its environment; only host names, ports and folders become those of this machine. */
describe('the processes of docker-compose.yml on NATS, PostgreSQL and InfluxDB', () => {
  const parts = new AsyncDisposables()
  let browser: TestBrowser
  let town: Town

  beforeAll(async () => {
    const folder = parts.add(await tempFolder('compose'))
    const [nats, postgres, influx] = [
      parts.add(await natsServer()),
      parts.add(await startPostgres()),
      parts.add(await startInflux()),
    ]
    await influx.query('CREATE DATABASE tiwang') // in compose the InfluxDB image makes its first bucket
    const databaseUrl = new URL(await postgres.newDatabase())
    const environments = await composeEnvironments()
    const here = (text: string, brokerUrl: string): string =>
      text
        .replace('nats://nats:4222', nats.url)
        .replace('@postgres:5432/tiwang', `@${databaseUrl.host}${databaseUrl.pathname}`)
        .replace('http://influxdb:8086', influx.url)
        .replace('mqtt://broker:1883', brokerUrl)
        .replace('/shared/', `${folder.path}/`)
    const start = async (part: (typeof PARTS)[number], brokerUrl = ''): Promise<PlatformProcess> => {
      const given = Object.entries(environments.get(part) ?? {}).map(
        ([name, value]) => [name, here(value, brokerUrl)] as const,
      )
      return parts.add(await startProcess({ ...Object.fromEntries(given), DATA_DIR: join(folder.path, part) }))
    }

    const [broker, , api] = await Promise.all([start('broker'), start('ingest'), start('api')])
    const credentialsPath = join(folder.path, 'simulated-terminals.json')
    const file = JSON.parse(await readFile(credentialsPath, 'utf8')) as { terminals: Credentials[] }
    // One lift is ours: we are its terminal, and the simulator does not know of it.
    const [ours, ...others] = file.terminals
    if (ours === undefined) throw new Error('the town has terminals')
    await writeFile(credentialsPath, JSON.stringify({ ...file, terminals: others }))
    await start('simulator', broker.mqttUrl)
    const terminal = await connectTerminal(broker.mqttUrl, ours)
    let seq = 0
    const say = (trapped: boolean) => {
      const change = trapped ? { doorZone: false, passengerPresent: true, passengerCount: 2 } : {}
      seq += 1
      return terminal.publishAsync(
        `lifts/v1/${ours.lift}/status`,
        JSON.stringify(statusOf(1, seq, Date.now(), change)),
        { qos: 1 },
      )
    }
    await say(false)
    parts.add({ [Symbol.asyncDispose]: () => terminal.endAsync() })
    browser = parts.add(await startBrowser())
    town = {
      apiUrl: api.apiUrl,
      lift: ours.lift,
      password: (username) => passwordOf(username, join(folder.path, 'api')),
      entrap: async () => void (await say(true)),
    }
  }, 180_000)
  afterAll(() => parts[Symbol.asyncDispose](), 60_000)

  it('are all ready', () =>
    eventually(
      async () => (await fetch(`${town.apiUrl}/readyz`)).status,
      (status) => status === 200,
      20_000,
    ))

  it('show 120 lifts whose positions change, with doors closed while moving', { timeout: 120_000 }, () =>
    watchTown(browser, town),
  )

  it('bring an entrapment to the desk in time and to the right people', { timeout: 240_000 }, async () => {
    const { shownAfterMs } = await watchEntrapment(browser, town)
    expect(shownAfterMs).toBeLessThan(2_000)
  })
})
