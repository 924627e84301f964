/** A real PostgreSQL server of Debian in a temporary folder, on a free port of loopback. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chown, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { freePort } from './free-port.ts'
import { tempFolder } from './temp-folder.ts'

const START_MS_MAX = 30_000
const STOP_MS_MAX = 15_000

export type Postgres = AsyncDisposable & {
  /** The URL of a new, empty database. */
  newDatabase(): Promise<string>
  /** Ends the server as a crash would; what was committed stays. */
  crash(): Promise<void>
  /** Starts it again on the same port and folder. */
  start(): Promise<void>
}

/** PostgreSQL refuses to run as root; Debian brings a user for it. */
type Identity = { uid?: number; gid?: number }

export async function startPostgres(): Promise<Postgres> {
  const programs = await programsFolder()
  const identity = await identityOf()
  const folder = await tempFolder('postgres')
  const data = join(folder.path, 'data')
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(folder.path, identity.uid, identity.gid)
  await run(join(programs, 'initdb'), ['-D', data, '-U', 'tiwang', '-A', 'trust', '-E', 'UTF8', '--locale=C'], identity)

  const port = await freePort()
  const urlOf = (database: string) => `postgres://tiwang@127.0.0.1:${port}/${database}`
  const options = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=60']
  let server: ChildProcess | undefined
  let databaseCount = 0

  const start = async () => {
    server = spawn(join(programs, 'postgres'), ['-D', data, ...options.flatMap((option) => ['-c', option])], {
      ...identity,
      cwd: folder.path,
      stdio: 'ignore',
    })
    await untilItAnswers(urlOf('postgres'), server)
  }
  const stop = async (signal: 'SIGINT' | 'SIGQUIT') => {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
    const timer = setTimeout(() => server?.kill('SIGKILL'), STOP_MS_MAX)
    server.kill(signal)
    await once(server, 'exit')
    clearTimeout(timer)
  }
  await start()
  return {
    start,
    crash: () => stop('SIGQUIT'),
    async newDatabase() {
      databaseCount += 1
      const name = `register${databaseCount}`
      await ask(urlOf('postgres'), `create database ${name}`)
      return urlOf(name)
    },
    async [Symbol.asyncDispose]() {
      await stop('SIGINT')
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function programsFolder(): Promise<string> {
  const root = '/usr/lib/postgresql'
  const versions = await readdir(root).catch(() => [])
  const newest = versions.map(Number).sort((a, b) => b - a)[0]
  if (newest === undefined)
    throw new Error('there is no PostgreSQL server for the tests; install it with: apt-get install postgresql')
  return join(root, String(newest), 'bin')
}

async function identityOf(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {}
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('postgres:'))
  const [uid, gid] = (line ?? '').split(':').slice(2, 4).map(Number)
  if (uid === undefined || gid === undefined)
    throw new Error('there is no user postgres; the package brings it: apt-get install postgresql')
  return { uid, gid }
}

async function run(program: string, args: readonly string[], identity: Identity): Promise<void> {
  const child = spawn(program, args, { ...identity, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said}`)
}

async function untilItAnswers(url: string, server: ChildProcess): Promise<void> {
  for (const endMs = performance.now() + START_MS_MAX; ;) {
    try {
      return await ask(url, 'select 1')
    } catch (error) {
      if (server.exitCode !== null) throw new Error(`PostgreSQL ended with ${server.exitCode}`, { cause: error })
      if (performance.now() > endMs) throw error
      await new Promise((wake) => setTimeout(wake, 50))
    }
  }
}

async function ask(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {}) // told by the query already
  try {
    await client.connect()
    await client.query(statement)
  } finally {
    await client.end().catch(() => {})
  }
}
