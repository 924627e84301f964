/**
 * Every environment variable, once: name, default, meaning. `main.ts` reads them at the start and passes values on; nobody
 * else looks at the environment. `.env.example`, `docker-compose.yml` and the README are compared with this table by a test.
 */
export const PARTS = ['broker', 'ingest', 'api', 'simulator'] as const
export type Part = (typeof PARTS)[number]

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

type Kind = 'text' | 'integer' | 'parts' | 'level' | 'origin'
type Setting = {
  readonly kind: Kind
  readonly default: string
  readonly zh: string
  readonly en: string
  readonly min?: number
  readonly max?: number
  readonly secret?: true
}

export const SETTINGS = {
  PARTS: {
    kind: 'parts',
    default: 'broker,ingest,api,simulator',
    zh: '本进程运行的部分',
    en: 'Parts that this process runs',
  },
  DATA_DIR: {
    kind: 'text',
    default: './data',
    zh: '数据目录',
    en: 'Folder of the embedded stores, the lock and the first-run sign-ins',
  },
  JOURNAL_URL: {
    kind: 'text',
    default: '',
    zh: '日志 file: 或 nats:；空 = file:{DATA_DIR}/journal',
    en: 'Journal, file: or nats:; empty = file:{DATA_DIR}/journal',
  },
  BUS_URL: {
    kind: 'text',
    default: 'local:',
    zh: '进程间总线 local: 或 nats:',
    en: 'Bus between processes, local: or nats:',
  },
  REGISTER_URL: {
    kind: 'text',
    default: '',
    zh: '台账库 pglite: 或 postgres:；空 = pglite:{DATA_DIR}/register',
    en: 'Register, pglite: or postgres:; empty = pglite:{DATA_DIR}/register',
    secret: true,
  },
  TELEMETRY_URL: {
    kind: 'text',
    default: '',
    zh: '时序库 file: 或 influx+http:；空 = file:{DATA_DIR}/telemetry',
    en: 'Telemetry store, file: or influx+http:; empty = file:{DATA_DIR}/telemetry',
    secret: true,
  },
  HOST: { kind: 'text', default: '0.0.0.0', zh: '监听地址', en: 'Address that the listeners bind to' },
  HTTP_PORT: {
    kind: 'integer',
    default: '8080',
    min: 0,
    max: 65535,
    zh: '网页与接口端口',
    en: 'Port of the view, the API and MQTT over WebSocket',
  },
  MQTT_PORT: { kind: 'integer', default: '1883', min: 0, max: 65535, zh: 'MQTT 端口', en: 'Port of MQTT over TCP' },
  PUBLIC_ORIGIN: {
    kind: 'origin',
    default: '',
    zh: '对外网址，反向代理后必填，如 https://tiwang.example',
    en: 'Origin under which browsers reach the API; needed behind a reverse proxy; empty = the Host of the request',
  },
  DEMO_LIFTS: {
    kind: 'integer',
    default: '120',
    min: 0,
    max: 10000,
    zh: '首次启动时生成的演示电梯数，0 = 不生成',
    en: 'Demonstration lifts written into an empty register at the first start; 0 = none',
  },
  DEMO_SEED: {
    kind: 'integer',
    default: '20',
    min: 0,
    max: 2147483647,
    zh: '演示城镇的种子',
    en: 'Seed of the demonstration town',
  },
  DEMO_CREDENTIALS: {
    kind: 'text',
    default: '',
    zh: '演示终端凭据文件；空 = {DATA_DIR}/simulated-terminals.json',
    en: 'File with the credentials of the simulated terminals; empty = {DATA_DIR}/simulated-terminals.json',
  },
  SIGN_INS_FILE: {
    kind: 'text',
    default: '',
    zh: '首次登录口令文件；空 = {DATA_DIR}/first-run-sign-ins.txt',
    en: 'File with the first-run sign-ins; empty = {DATA_DIR}/first-run-sign-ins.txt',
  },
  SIMULATOR_BROKER_URL: {
    kind: 'text',
    default: '',
    zh: '模拟终端连接的 MQTT 地址；空 = 本进程的 broker',
    en: 'Broker that the simulated terminals connect to; empty = the broker of this process',
  },
  SIMULATOR_SPEED: {
    kind: 'integer',
    default: '1',
    min: 1,
    max: 60,
    zh: '模拟时间倍速',
    en: 'Speed of the simulated residents relative to real time',
  },
  SIMULATOR_FAULT_MINUTES: {
    kind: 'integer',
    default: '20',
    min: 0,
    max: 100000,
    zh: '平均多少分钟出一次故障，0 = 不出',
    en: 'Mean minutes between two faults or entrapments in the demonstration town; 0 = none',
  },
  JOURNAL_BYTES_MAX: {
    kind: 'integer',
    default: '8589934592',
    min: 134217728,
    max: 9007199254740991,
    zh: '日志最大字节数',
    en: 'Largest size of the journal, bytes; beyond it nothing is acknowledged',
  },
  CONNECTIONS_MAX: {
    kind: 'integer',
    default: '20000',
    min: 1,
    max: 1000000,
    zh: 'MQTT 最大连接数',
    en: 'Most MQTT connections at one time',
  },
  CONNECTIONS_PER_ADDRESS_MAX: {
    kind: 'integer',
    default: '1000',
    min: 1,
    max: 1000000,
    zh: '每个来源地址的最大连接数（本机不限）',
    en: 'Most MQTT connections from one address (loopback is not limited)',
  },
  LOG_LEVEL: { kind: 'level', default: 'info', zh: '日志级别', en: 'debug, info, warn or error' },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof SETTINGS
type ValueOf<K extends Kind> = K extends 'integer'
  ? number
  : K extends 'parts'
    ? ReadonlySet<Part>
    : K extends 'level'
      ? LogLevel
      : string
export type Settings = { readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]['kind']> }

/** Reads and checks the settings; every mistake is told at once, in one error. Unset and empty both mean the default. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const mistakes: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(SETTINGS) as [SettingName, Setting][]) {
    const given = environment[name]
    const text = given === undefined || given === '' ? setting.default : given
    if (setting.kind === 'integer') {
      const value = Number(text)
      if (
        !Number.isSafeInteger(value) ||
        value < (setting.min ?? 0) ||
        value > (setting.max ?? Number.MAX_SAFE_INTEGER)
      )
        mistakes.push(
          `${name}=${text}: must be a whole number from ${setting.min ?? 0} to ${setting.max ?? Number.MAX_SAFE_INTEGER}`,
        )
      values[name] = value
    } else if (setting.kind === 'parts') {
      const names = text.split(',').map((part) => part.trim())
      for (const part of names)
        if (!(PARTS as readonly string[]).includes(part))
          mistakes.push(`${name}: there is no part “${part}”; parts are ${PARTS.join(', ')}`)
      values[name] = new Set(names)
    } else if (setting.kind === 'origin') {
      const origin = originOf(text)
      if (origin === undefined) mistakes.push(`${name}=${text}: must be an origin such as https://tiwang.example`)
      values[name] = origin ?? ''
    } else if (setting.kind === 'level') {
      if (!(LOG_LEVELS as readonly string[]).includes(text))
        mistakes.push(`${name}=${text}: must be one of ${LOG_LEVELS.join(', ')}`)
      values[name] = text
    } else values[name] = text
  }
  if (mistakes.length > 0) throw new SettingsError(mistakes)
  return values as Settings
}

/** The stores that the settings name; those that are left empty are embedded ones below the data folder. */
export const storeUrlsOf = (
  settings: Pick<Settings, 'JOURNAL_URL' | 'REGISTER_URL' | 'TELEMETRY_URL'>,
  dataFolder: string,
): { readonly journal: string; readonly register: string; readonly telemetry: string } => ({
  journal: settings.JOURNAL_URL || `file:${dataFolder}/journal`,
  register: settings.REGISTER_URL || `pglite:${dataFolder}/register`,
  telemetry: settings.TELEMETRY_URL || `file:${dataFolder}/telemetry`,
})

/** Scheme, host and port, written as browsers write them; undefined when the text is anything else. */
function originOf(text: string): string | undefined {
  if (text === '') return ''
  if (!URL.canParse(text)) return undefined
  const { protocol, origin, pathname, search, hash } = new URL(text)
  const isBare = pathname === '/' && search === '' && hash === ''
  return isBare && (protocol === 'https:' || protocol === 'http:') ? origin : undefined
}

export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly mistakes: readonly string[]
  constructor(mistakes: readonly string[]) {
    super(`settings are wrong:\n  ${mistakes.join('\n  ')}`)
    this.mistakes = mistakes
  }
}
