/**
 * Every environment variable, once: name, default, meaning. `main.ts` reads them at the start and passes values on; nobody
 * else looks at the environment. `.env.example`, `docker-compose.yml` and the README are compared with this table by a test.
 */
export const PARTS = ['broker', 'ingest', 'api', 'simulator'] as const
export type Part = (typeof PARTS)[number]

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

type Kind = 'text' | 'integer' | 'port' | 'parts' | 'level' | 'origin'
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
    zh: '接收日志 file: 或 nats:，集群写作 nats://a:4222,b:4222,c:4222；空 = file:{DATA_DIR}/journal',
    en: 'Journal, file: or nats:, a cluster as nats://a:4222,b:4222,c:4222; empty = file:{DATA_DIR}/journal',
  },
  BUS_URL: {
    kind: 'text',
    default: 'local:',
    zh: '进程间总线 local: 或 nats:，集群写作 nats://a:4222,b:4222,c:4222',
    en: 'Bus between processes, local: or nats:, a cluster as nats://a:4222,b:4222,c:4222',
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
  TELEMETRY_RETENTION_DAYS: {
    kind: 'integer',
    default: '396',
    min: 1,
    max: 1830,
    zh: '原始时序数据保存天数（396 = 13 个月）；更早的删除，小时数据另存 5 年',
    en: 'Days that raw telemetry is kept (396 = 13 months); what is older is removed, hourly figures are kept for 5 years',
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
  MQTT_TLS_PORT: {
    kind: 'integer',
    default: '8883',
    min: 0,
    max: 65535,
    zh: 'MQTT over TLS 端口；没有证书文件时不监听',
    en: 'Port of MQTT over TLS; without a certificate file nothing listens there',
  },
  MQTT_TLS_CERT_FILE: {
    kind: 'text',
    default: '',
    zh: 'TLS 服务器证书文件（PEM，含中间证书）；空 = 不开 TLS',
    en: 'Certificate of the TLS listener, PEM, with its intermediates; empty = no TLS',
  },
  MQTT_TLS_KEY_FILE: {
    kind: 'text',
    default: '',
    zh: 'TLS 服务器私钥文件（PEM）',
    en: 'Key of that certificate, PEM',
  },
  MQTT_TLS_CA_FILE: {
    kind: 'text',
    default: '',
    zh: '签发终端证书的 CA 证书文件（PEM）；空 = 终端只用口令',
    en: 'Issuers of terminal certificates, PEM; empty = terminals sign in by secret only',
  },
  MQTT_TLS_CRL_FILE: {
    kind: 'text',
    default: '',
    zh: '终端证书吊销列表文件（PEM 或 DER）；空 = 没有',
    en: 'Revocation list of terminal certificates, PEM or DER; empty = none',
  },
  ALARMS_MQTT_PORT: {
    kind: 'port',
    default: '1884',
    zh: '向外部程序推送报警的 MQTT 端口；off = 不监听',
    en: 'Port of MQTT for programs that subscribe to alarms; off = nothing listens there',
  },
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
    default: '6',
    min: 0,
    max: 100000,
    zh: '平均多少分钟出一次故障，0 = 不出',
    en: 'Mean minutes between two faults or entrapments in the demonstration town; 0 = none',
  },
  SIMULATOR_HISTORY_DAYS: {
    kind: 'integer',
    default: '30',
    min: 0,
    max: 90,
    zh: '首次启动时为演示城镇生成多少天的历史，0 = 不生成',
    en: 'Days of history that a demonstration town is given at its first start, in one process with its stores; 0 = none',
  },
  JOURNAL_BYTES_MAX: {
    kind: 'integer',
    default: '8589934592',
    min: 134217728,
    max: 9007199254740991,
    zh: '接收日志最大字节数，写满后不再应答；file: 的最后一段只收紧急消息',
    en: 'Largest size of the journal, bytes; beyond it nothing is acknowledged. Of file:, the last part takes urgent messages only',
  },
  JOURNAL_RESERVE_BYTES: {
    kind: 'integer',
    default: '67108864',
    min: 0,
    max: 1099511627776,
    zh: 'file: 接收日志为紧急消息预留的字节数，至多总量的八分之一',
    en: 'Kept free by the file: journal for urgent messages, bytes; at most an eighth of its size',
  },
  JOURNAL_SEGMENT_HOURS: {
    kind: 'integer',
    default: '24',
    min: 1,
    max: 100000,
    zh: 'file: 接收日志分段的最长时间，小时；处理完的分段即删除',
    en: 'Longest time that a file of the file: journal is written to, hours; it is removed when all of it is processed',
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
    zh: '每个来源地址的最大连接数（IPv6 按 /64；本机不限）',
    en: 'Most MQTT connections from one address (IPv6: one /64; loopback is not limited)',
  },
  MQTT_HALF_OPEN_MAX: {
    kind: 'integer',
    default: '5000',
    min: 1,
    max: 1000000,
    zh: '尚未登录的 MQTT 最大连接数；满时最早的静默连接让位',
    en: 'Most MQTT connections that are not signed in yet; when full, the oldest silent one gives way',
  },
  MQTT_HALF_OPEN_PER_ADDRESS_MAX: {
    kind: 'integer',
    default: '500',
    min: 1,
    max: 1000000,
    zh: '每个来源地址尚未登录的最大连接数（本机不限）',
    en: 'The same, from one address (loopback is not limited)',
  },
  MQTT_CONNECT_MS: {
    kind: 'integer',
    default: '5000',
    min: 100,
    max: 60000,
    zh: '从建立连接到 CONNECT 的最长时间（含 TLS 握手），毫秒',
    en: 'From the socket to its CONNECT, TLS handshake included, ms; later the connection is closed',
  },
  MQTT_CONNECTS_PER_MINUTE_MAX: {
    kind: 'integer',
    default: '30',
    min: 1,
    max: 1000000,
    zh: '每个终端每分钟最多登录次数',
    en: 'Most sign-ins of one terminal within a minute',
  },
  MQTT_WRONG_SIGN_INS_PER_MINUTE_MAX: {
    kind: 'integer',
    default: '10',
    min: 1,
    max: 1000000,
    zh: '同一地址同一终端每分钟错误登录次数，达到则锁定；已登记的终端仍可少量尝试',
    en: 'Wrong sign-ins from one address for one terminal within a minute; with that many the pair is locked out, a registered terminal but for a few tries',
  },
  MQTT_WRONG_SIGN_INS_PER_ADDRESS_MAX: {
    kind: 'integer',
    default: '200',
    min: 1,
    max: 1000000,
    zh: '同一地址每分钟错误登录次数，达到则锁定该地址；已登记的终端仍可少量尝试（本机不限）',
    en: 'Wrong sign-ins from one address within a minute; with that many it is locked out, registered terminals but for a few tries (loopback is not limited)',
  },
  MQTT_LOCKOUT_S: {
    kind: 'integer',
    default: '300',
    min: 1,
    max: 86400,
    zh: '锁定时间，秒',
    en: 'How long a lockout lasts, s',
  },
  MQTT_CONNECT_BYTES_MAX: {
    kind: 'integer',
    default: '4096',
    min: 256,
    max: 65536,
    zh: '登录前的最大报文字节数，也用于 PUBLISH 以外的报文',
    en: 'Largest MQTT packet before sign-in, and of any packet but PUBLISH, bytes',
  },
  MQTT_PACKET_BYTES_MAX: {
    kind: 'integer',
    default: '65796',
    min: 16648,
    max: 65796,
    zh: '登录后 PUBLISH 的最大字节数',
    en: 'Largest PUBLISH after sign-in, bytes',
  },
  MQTT_TOPIC_BYTES_MAX: {
    kind: 'integer',
    default: '256',
    min: 64,
    max: 256,
    zh: '主题或过滤器的最大字节数',
    en: 'Longest MQTT topic or filter, bytes',
  },
  MQTT_TOPIC_LEVELS_MAX: {
    kind: 'integer',
    default: '10',
    min: 4,
    max: 100,
    zh: '主题或过滤器的最大层数',
    en: 'Most levels of an MQTT topic or filter',
  },
  MQTT_FILTERS_PER_SUBSCRIBE_MAX: {
    kind: 'integer',
    default: '32',
    min: 1,
    max: 1000,
    zh: '每个 SUBSCRIBE 或 UNSUBSCRIBE 的最大过滤器数（均不授予）',
    en: 'Most filters in one SUBSCRIBE or UNSUBSCRIBE; none is granted',
  },
  MQTT_IN_FLIGHT_MAX: {
    kind: 'integer',
    default: '64',
    min: 1,
    max: 1000,
    zh: '每个连接未答复报文的最大数，超过则暂停读取',
    en: 'Packets of one connection that wait for their answer; beyond it its socket is not read',
  },
  MQTT_PUBLICATIONS_PER_SECOND_MAX: {
    kind: 'integer',
    default: '100',
    min: 1,
    max: 100000,
    zh: '每个终端每秒发布数，超过则暂停读取',
    en: 'Publications of one terminal in a second; beyond it its socket is not read',
  },
  MQTT_PUBLICATION_BURST_MAX: {
    kind: 'integer',
    default: '1000',
    min: 1,
    max: 1000000,
    zh: '每个终端短时补发的最大发布数',
    en: 'Publications of one terminal at once after a time of silence',
  },
  MQTT_CONTROL_PACKETS_PER_MINUTE_MAX: {
    kind: 'integer',
    default: '120',
    min: 10,
    max: 1000000,
    zh: '每个连接每分钟 PINGREQ、SUBSCRIBE、UNSUBSCRIBE 的最大数',
    en: 'Most PINGREQ, SUBSCRIBE and UNSUBSCRIBE of one connection within a minute',
  },
  MQTT_KEEPALIVE_S_MAX: {
    kind: 'integer',
    default: '300',
    min: 10,
    max: 3600,
    zh: '最长的有效保活时间，秒',
    en: 'Longest MQTT keep alive that counts, s',
  },
  LOG_LEVEL: { kind: 'level', default: 'info', zh: '日志级别', en: 'debug, info, warn or error' },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof SETTINGS
type ValueOf<K extends Kind> = K extends 'integer'
  ? number
  : K extends 'port'
    ? number | undefined
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
    } else if (setting.kind === 'port') {
      const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
      if (text !== 'off' && !(port <= 65_535)) mistakes.push(`${name}=${text}: must be a port from 0 to 65535, or off`)
      values[name] = text === 'off' ? undefined : port
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
