import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { tempFolder } from './temp-folder.ts'

/** A real InfluxDB 1.x (Debian's `influxd`) with a folder of its own. It can be stopped and started again on the same data and port. */
export interface InfluxServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Where its files lie. */
  readonly folder: string
  /** Of the running server. */
  readonly pid: number | undefined
  /** What `openTelemetryStore` takes, for one database. */
  storeUrl(database: string): string
  /** InfluxQL, as an administrator; the parsed answer. */
  query(question: string, database?: string): Promise<unknown>
  stop(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}

export const INFLUX_USER = { name: 'tiwang', password: "it's: a p@ss/wörd%" } as const

/**
 * With `auth` the server lets only `INFLUX_USER` in, an administrator. With `compactsSoon` its files are as small after
 * seconds without writing as they usually are after hours.
 */
export async function startInflux(o: { auth?: boolean; compactsSoon?: boolean } = {}): Promise<InfluxServer> {
  const { auth = false, compactsSoon = false } = o
  const folder = await tempFolder('influx')
  const httpPort = await freePort()
  const rpcPort = await freePort()
  const url = `http://127.0.0.1:${httpPort}`
  const configPath = join(folder.path, 'influxdb.conf')
  await writeFile(configPath, toConfig({ folder: folder.path, httpPort, rpcPort, auth, compactsSoon }))
  let running: ChildProcess | undefined

  async function query(question: string, database = ''): Promise<unknown> {
    const { name, password } = INFLUX_USER
    const headers = auth ? { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` } : {}
    const response = await fetch(`${url}/query?${new URLSearchParams({ q: question, db: database }).toString()}`, {
      method: 'POST',
      headers,
    })
    return response.json()
  }
  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = running
    running = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    const tooLong = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await exited
    clearTimeout(tooLong)
  }
  async function start(): Promise<void> {
    running = spawn('influxd', ['run', '-config', configPath], { stdio: ['ignore', 'ignore', 'pipe'] })
    await whenAnswering(running, url)
  }

  try {
    await start()
    if (auth)
      await query(
        `CREATE USER ${INFLUX_USER.name} WITH PASSWORD '${INFLUX_USER.password.replaceAll("'", "\\'")}' WITH ALL PRIVILEGES`,
      )
  } catch (error) {
    await stop('SIGKILL')
    await folder[Symbol.asyncDispose]()
    throw error
  }
  const credentials = auth ? `${INFLUX_USER.name}:${encodeURIComponent(INFLUX_USER.password)}@` : ''
  return {
    url,
    folder: folder.path,
    get pid() {
      return running?.pid
    },
    storeUrl: (database) => `influx+http://${credentials}127.0.0.1:${httpPort}/${encodeURIComponent(database)}`,
    query,
    stop,
    start,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL')
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function whenAnswering(child: ChildProcess, url: string): Promise<void> {
  let said = ''
  let ended: string | undefined
  child.stderr?.on('data', (data: Buffer) => (said = `${said}${data.toString()}`.slice(-2_000)))
  child.once('error', (error: NodeJS.ErrnoException) => {
    ended = error.code === 'ENOENT' ? 'influxd is not installed: apt-get install influxdb' : error.message
  })
  child.once('exit', (code) => (ended ??= `influxd ended with code ${code}: ${said}`))
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (ended !== undefined) throw new Error(ended)
    const answered = await fetch(`${url}/ping`, { signal: AbortSignal.timeout(1_000) }).then(
      (response) => response.status === 204,
      () => false,
    )
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  child.kill('SIGKILL')
  throw new Error(`influxd does not answer: ${said}`)
}

const COMPACTS_SOON = `
  cache-snapshot-write-cold-duration = "2s"
  compact-full-write-cold-duration = "2s"`

function toConfig(o: {
  folder: string
  httpPort: number
  rpcPort: number
  auth: boolean
  compactsSoon: boolean
}): string {
  return `
reporting-disabled = true
bind-address = "127.0.0.1:${o.rpcPort}"
[meta]
  dir = "${o.folder}/meta"
[data]
  dir = "${o.folder}/data"
  wal-dir = "${o.folder}/wal"
  query-log-enabled = false
${o.compactsSoon ? COMPACTS_SOON : ''}
[retention]
  check-interval = "1s"
[http]
  bind-address = "127.0.0.1:${o.httpPort}"
  auth-enabled = ${o.auth}
  log-enabled = false
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "warn"
`
}
