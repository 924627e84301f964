/**
 * The compose file, checked without an engine: by `docker-compose config`, by the rules of the specification that we use, and
 * its settings by the table of the contract.
 */
import { execFile } from 'node:child_process'
import { copyFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { LIMIT_SETTINGS } from '#broker/limits'
import { PARTS, SETTINGS, readSettings, type Part, type SettingName } from '#contract/settings'
import { tempFolder } from '../servers/temp-folder.ts'
import { ROOT, readText } from './files.ts'

type Service = {
  readonly image: string
  readonly build?: string
  readonly environment?: Readonly<Record<string, string | number>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly networks: readonly string[]
  readonly restart: string
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}
type Compose = {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, object>>
  readonly networks: Readonly<Record<string, object>>
}

const text = await readText('docker-compose.yml')
const example = await readText('.env.example')
const compose = parse(text, { merge: true }) as Compose
const services = Object.entries(compose.services)
const ours = services.filter(([, { build }]) => build !== undefined)
/** Every `${NAME:-default}` and `${NAME:?message}`. */
const variables = [...text.matchAll(/\$\{([A-Z_]+)(:-|:\?)?([^}]*)\}/g)].map(
  ([whole, name = '', how = '', rest = '']) => ({
    whole,
    name,
    how,
    rest,
  }),
)
const secrets = new Set([...example.matchAll(/^([A-Z_]+)=$/gm)].map(([, name = '']) => name))
const isSetting = (name: string): name is SettingName => Object.hasOwn(SETTINGS, name)

/** Fixed by the compose file itself: stores, folders and ports of the containers, and what only embedded stores read. */
const FIXED = new Set<SettingName>([
  ...(['PARTS', 'DATA_DIR', 'JOURNAL_URL', 'BUS_URL', 'REGISTER_URL', 'TELEMETRY_URL'] as const),
  ...(['JOURNAL_RESERVE_BYTES', 'JOURNAL_SEGMENT_HOURS'] as const),
  ...(['HOST', 'HTTP_PORT', 'MQTT_PORT', 'MQTT_TLS_PORT'] as const),
  ...(['DEMO_CREDENTIALS', 'SIGN_INS_FILE', 'SIMULATOR_BROKER_URL'] as const),
  ...(['SIMULATOR_HISTORY_DAYS'] as const),
])
const READ_BY: Readonly<Record<Part, readonly SettingName[]>> = {
  broker: [
    ...(['JOURNAL_BYTES_MAX', 'LOG_LEVEL', 'MQTT_TLS_CERT_FILE', 'MQTT_TLS_KEY_FILE'] as const),
    ...(['MQTT_TLS_CA_FILE', 'MQTT_TLS_CRL_FILE'] as const),
    ...Object.values(LIMIT_SETTINGS),
  ],
  ingest: ['JOURNAL_BYTES_MAX', 'TELEMETRY_RETENTION_DAYS', 'LOG_LEVEL'],
  api: [
    'LOG_LEVEL',
    'TELEMETRY_RETENTION_DAYS',
    'MQTT_TLS_CERT_FILE',
    'ALARMS_MQTT_PORT',
    'PUBLIC_ORIGIN',
    'DEMO_LIFTS',
    'DEMO_SEED',
  ],
  simulator: ['LOG_LEVEL', 'DEMO_LIFTS', 'DEMO_SEED', 'SIMULATOR_SPEED', 'SIMULATOR_FAULT_MINUTES'],
}

/** What compose puts in for the variables when `.env` holds nothing but secrets. */
const fillIn = (value: string | number) =>
  String(value).replace(/\$\{([A-Z_]+)(:-|:\?)?([^}]*)\}/g, (_, name: string, how: string, rest: string) =>
    how === ':-' ? rest : `secret-of-${name.toLowerCase()}`,
  )
const environmentOf = ({ environment = {} }: Service) =>
  Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, fillIn(value)]))

describe('docker-compose.yml', () => {
  it('uses only keys of the compose specification, and what it names it also declares', () => {
    const known = [
      ...[
        'image',
        'build',
        'command',
        'environment',
        'ports',
        'volumes',
        'networks',
        'restart',
        'healthcheck',
        'depends_on',
      ],
      ...['read_only', 'tmpfs', 'cap_drop', 'security_opt', 'stop_grace_period', 'ulimits', 'shm_size'],
    ]
    for (const [name, service] of services) {
      expect(known, name).toEqual(expect.arrayContaining(Object.keys(service)))
      for (const network of service.networks) expect(Object.keys(compose.networks)).toContain(network)
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(Object.keys(compose.services)).toContain(other)
        expect(condition).toBe('service_healthy')
      }
    }
    expect(
      Object.keys(compose)
        .filter((key) => !key.startsWith('x-'))
        .sort(),
    ).toEqual(['networks', 'services', 'volumes'])
  })

  it('mounts files that exist and volumes that are declared', async () => {
    for (const volume of services.flatMap(([, { volumes = [] }]) => volumes)) {
      const [source = ''] = volume.split(':')
      if (source.startsWith('./')) {
        await stat(join(ROOT, source))
        expect(volume).toMatch(/:ro$/)
      } else expect(Object.keys(compose.volumes)).toContain(source)
    }
  })

  it('lets ingest run several times: it has no name, port or volume that only one can have', () => {
    expect(Object.keys(compose.services['ingest'] ?? {})).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(container_name|hostname|ports|volumes)$/)]),
    )
  })

  it('runs each part once, in one image', () => {
    expect(ours.map(([name]) => name)).toEqual([...PARTS])
    for (const [name, service] of ours) expect(environmentOf(service)['PARTS'], name).toBe(name)
    expect(new Set(ours.map(([, { image }]) => image)).size).toBe(1)
  })

  it('gives the parts only settings that they know, with the defaults that they have', () => {
    for (const [name, service] of ours) {
      const environment = environmentOf(service)
      for (const setting of Object.keys(environment)) expect(isSetting(setting), `${name}: ${setting}`).toBe(true)
      expect(() => readSettings(environment)).not.toThrow()
    }
    for (const { name, how, rest } of variables)
      if (how === ':-') expect(rest, name).toBe(isSetting(name) ? SETTINGS[name].default : 'a setting')
  })

  it('passes every setting to the parts that read it, so that what stands in .env has an effect', () => {
    for (const [part, names] of Object.entries(READ_BY))
      for (const name of names) {
        const value = compose.services[part]?.environment?.[name]
        if (FIXED.has(name)) expect(String(value ?? ''), `${part} ${name}`).not.toContain(`\${${name}`)
        else expect(value, `${part} ${name}`).toBe(`\${${name}:-${SETTINGS[name].default}}`)
      }
    expect([...new Set([...Object.values(READ_BY).flat(), ...FIXED])].sort()).toEqual(Object.keys(SETTINGS).sort())
  })

  it('puts the parts that share facts on the same stores, and the simulator on none', () => {
    const stores = (name: string) => {
      const { JOURNAL_URL, BUS_URL, REGISTER_URL, TELEMETRY_URL } = readSettings(
        environmentOf(compose.services[name] ?? ({} as Service)),
      )
      return { JOURNAL_URL, BUS_URL, REGISTER_URL, TELEMETRY_URL }
    }
    expect(stores('broker')).toEqual({
      JOURNAL_URL: 'nats://nats:4222',
      BUS_URL: 'nats://nats:4222',
      REGISTER_URL: 'postgres://tiwang:secret-of-postgres_password@postgres:5432/tiwang',
      TELEMETRY_URL: 'influx+http://influxdb:8086/tiwang?org=tiwang&token=secret-of-influx_token',
    })
    expect(stores('ingest')).toEqual(stores('broker'))
    expect(stores('api')).toEqual(stores('broker'))
    expect(compose.services['simulator']?.networks).toEqual(['terminals'])
  })

  it('keeps secrets out: each comes from .env, and starting without it fails', () => {
    for (const { whole, name, how } of variables) {
      if (isSetting(name)) continue
      expect(secrets, whole).toContain(name)
      expect(how, whole).toBe(':?')
    }
    for (const [name, service] of services)
      for (const [key, value] of Object.entries(service.environment ?? {}))
        if (/PASSWORD|TOKEN|SECRET/.test(key)) expect(String(value), `${name} ${key}`).toMatch(/^\$\{[A-Z_]+:\?/)
  })

  it('opens five ports and no privilege', () => {
    expect(services.flatMap(([, { ports = [] }]) => ports).sort()).toEqual([
      '1883:1883',
      '1884:1884',
      '3000:3000',
      '8080:8080',
      '8883:8883',
    ])
    expect(text).not.toMatch(/privileged|network_mode|docker\.sock|cap_add/)
    expect(compose.networks['stores']).toEqual({ internal: true })
  })

  it('watches the health of everything and starts again what ended', async () => {
    for (const [name, { healthcheck, restart, build }] of services) {
      expect(restart, name).toBe('unless-stopped')
      expect(healthcheck !== undefined || build !== undefined, name).toBe(true)
    }
    expect(await readText('Dockerfile')).toMatch(/^HEALTHCHECK /m)
  })

  it('lets an acknowledgement of NATS mean on disk', async () => {
    const [mount = ''] = compose.services['nats']?.volumes ?? []
    expect(mount).toBe('./storage/nats/nats.conf:/etc/nats/tiwang.conf:ro')
    expect(await readText('storage/nats/nats.conf')).toMatch(
      /jetstream \{[^}]*store_dir: \/data[^}]*sync_interval: always/,
    )
  })
})

describe('.env.example', () => {
  it('explains every setting with its default', () => {
    for (const [name, { zh, en, default: value }] of Object.entries(SETTINGS))
      expect(example).toContain(`# ${zh} · ${en}\n# ${name}=${value}\n`)
    const named = [...example.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name)
    expect(named).toEqual(Object.keys(SETTINGS))
  })

  it('holds placeholders for exactly the secrets that the compose file asks for', () => {
    expect([...secrets].sort()).toEqual(
      [...new Set(variables.filter(({ how }) => how === ':?').map(({ name }) => name))].sort(),
    )
  })

  it('is filled in by the command that it shows, for its owner alone', async () => {
    await using folder = await tempFolder('env')
    await copyFile(join(ROOT, '.env.example'), join(folder.path, '.env.example'))
    const command = /^#\s+(\(umask .*)$/m.exec(example)?.[1] ?? ''
    await promisify(execFile)('sh', ['-c', command], { cwd: folder.path })
    const filled = await readFile(join(folder.path, '.env'), 'utf8')
    expect(await composeConfig(join(folder.path, '.env'))).toContain('PARTS: broker')
    const values = [...filled.matchAll(/^([A-Z_]+)=(.*)$/gm)]
    expect(values.map(([, name = '']) => name).sort()).toEqual([...secrets].sort())
    expect(new Set(values.map(([, , value]) => value)).size).toBe(values.length)
    for (const [, , value] of values) expect(value).toMatch(/^[0-9a-f]{48}$/)
    expect((await stat(join(folder.path, '.env'))).mode & 0o077).toBe(0)
  })
})

describe('docker-compose config', () => {
  it('refuses to start with secrets that were left empty, and says what to do', async () => {
    await expect(composeConfig(join(ROOT, '.env.example'))).rejects.toThrow('fill .env as .env.example says')
  })
})

/** What Debian's `docker-compose` makes of the file; it needs no engine for that. */
async function composeConfig(environmentFile: string): Promise<string> {
  const args = ['--env-file', environmentFile, '-f', join(ROOT, 'docker-compose.yml'), 'config']
  const run = promisify(execFile)('docker-compose', args, { env: { PATH: process.env['PATH'] }, timeout: 20_000 })
  const { stdout } = await run.catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT'
      ? new Error('docker-compose is missing: install the Debian package docker-compose')
      : error
  })
  return stdout
}

describe('Dockerfile', () => {
  it('starts the built program as a user without rights, with what it reads where it looks', async () => {
    const lines = (await readText('Dockerfile')).split('\n')
    expect(lines.findLast((line) => line.startsWith('CMD '))).toBe('CMD ["node", "--conditions=dist", "dist/main.js"]')
    expect(lines.findLast((line) => line.startsWith('USER '))).toBe('USER node')
    expect(lines.filter((line) => line.startsWith('FROM ')).every((line) => line.startsWith('FROM node:24-slim'))).toBe(
      true,
    )
    for (const path of ['dist', 'contract/generated', 'dashboards/view/dist'])
      expect(
        lines.some((line) => line.startsWith('COPY --from=build') && line.endsWith(` ${path}`)),
        path,
      ).toBe(true)
  })
})
