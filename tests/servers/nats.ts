import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { tempFolder } from './temp-folder.ts'

const PROGRAMS = ['/usr/sbin/nats-server', '/usr/local/bin/nats-server', '/usr/bin/nats-server']
const READY_MS_MAX = 15_000
const SPEAKS_MS_MAX = 1_000
const CLUSTER_TRIES = 3
const CLUSTER_READY_MS_MAX = 60_000

export interface NatsServer extends AsyncDisposable {
  readonly url: string
  /** Starts it (again) on the same port with the same store. */
  start(): Promise<void>
  /** Ends it with SIGKILL, as a power cut of the process would. */
  kill(): Promise<void>
  /** Stops it from answering, and lets it go on. */
  freeze(): Promise<void>
  thaw(): void
  /** Puts a copy of its store aside; only while it is not running. */
  saveStore(): Promise<void>
  /** Brings the store back as it was saved, as after a power cut of a disk that lies, or a restored volume. */
  restoreStore(): Promise<void>
}

/** Three servers that hold each stream three times. */
export interface NatsCluster extends AsyncDisposable {
  /** All of them: `nats://a,b,c`. */
  readonly url: string
  readonly servers: readonly NatsServer[]
  /** Index of the server that leads the stream; undefined while there is none. */
  leaderOf(stream: string): Promise<number | undefined>
  /** Resolves when every server says that its copies of all streams are complete; rejects after a minute. */
  whole(): Promise<void>
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    // The server speaks first, and at once: whoever listens there and is silent is another.
    await once(socket, 'data', { signal: AbortSignal.timeout(SPEAKS_MS_MAX) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function isFrozen(pid: number): Promise<boolean> {
  const states = (await readdir(`/proc/${pid}/task`)).map(async (thread) => {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  })
  return (await Promise.all(states)).every((state) => state === 'T')
}

/** A real nats-server with JetStream, a store of its own and a free port. Not started yet when `isStarted` is false. */
export async function natsServer({ isStarted = true } = {}): Promise<NatsServer> {
  const server = await newServer(await freePort(), [])
  if (isStarted) await server.start()
  return server
}

/** A real cluster on loopback, ready to hold streams. */
export async function natsCluster(): Promise<NatsCluster> {
  for (let tryCount = 1; ; tryCount += 1) {
    try {
      return await startCluster()
    } catch (error) {
      // One of its nine ports may have been taken by somebody else meanwhile.
      if (tryCount === CLUSTER_TRIES) throw error
    }
  }
}

async function startCluster(): Promise<NatsCluster> {
  const [clientPorts, routePorts, monitorPorts] = [await freePorts(3), await freePorts(3), await freePorts(3)]
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(',')
  const servers: NatsServer[] = []
  const end = async () => void (await Promise.all(servers.map((server) => server[Symbol.asyncDispose]())))
  try {
    for (const [index, port] of clientPorts.entries()) {
      const own = ['--name', `n${index + 1}`, '--cluster_name', 'tiwang', '-m', String(monitorPorts[index])]
      const cluster = ['--cluster', `nats://127.0.0.1:${routePorts[index]}`, '--routes', routes]
      servers.push(await newServer(port, [...own, ...cluster]))
    }
    await Promise.all(servers.map((server) => server.start()))
    await until('ready', () => isClusterReady(monitorPorts))
  } catch (error) {
    await end()
    throw error
  }
  return {
    url: `nats://${clientPorts.map((port) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    async leaderOf(stream) {
      for (const port of monitorPorts) {
        const leader = (
          await monitor<JetStreamPage>(port, 'jsz?streams=true')
        )?.account_details?.[0]?.stream_detail?.find(({ name }) => name === stream)?.cluster?.leader
        if (leader !== undefined) return Number(leader.slice(1)) - 1
      }
      return undefined
    },
    whole: () => until('whole', () => isClusterWhole(monitorPorts)),
    [Symbol.asyncDispose]: end,
  }
}

type JetStreamPage = {
  readonly meta_cluster?: { readonly leader?: string; readonly cluster_size?: number }
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[]
  }[]
}

/** What the server says about itself; undefined when it does not answer. */
async function monitor<Page>(port: number, path: string): Promise<Page | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/${path}`, { signal: AbortSignal.timeout(2_000) })
    return (await answer.json()) as Page // the shape is that of the server's documentation
  } catch {
    return undefined
  }
}

async function until(state: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + CLUSTER_READY_MS_MAX
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`the NATS cluster did not become ${state}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function isClusterWhole(monitorPorts: readonly number[]): Promise<boolean> {
  const pages = await Promise.all(monitorPorts.map((port) => monitor<{ readonly status?: string }>(port, 'healthz')))
  return pages.every((page) => page?.status === 'ok')
}

async function isClusterReady(monitorPorts: readonly number[]): Promise<boolean> {
  const pages = await Promise.all(monitorPorts.map((port) => monitor<JetStreamPage>(port, 'jsz')))
  return pages.every((page) => page?.meta_cluster?.leader !== undefined && page.meta_cluster.cluster_size === 3)
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

async function newServer(port: number, args: readonly string[]): Promise<NatsServer> {
  const program = PROGRAMS.find((path) => existsSync(path))
  if (program === undefined) throw new Error('nats-server is missing: apt-get install nats-server')
  const store = await tempFolder('nats')
  let child: ChildProcess | undefined
  const server: NatsServer = {
    url: `nats://127.0.0.1:${port}`,
    async start() {
      const own = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(store.path, 'store')]
      child = spawn(program, [...own, ...args], { stdio: 'ignore' })
      const deadlineMs = Date.now() + READY_MS_MAX
      while (!(await isListening(port))) {
        if (Date.now() > deadlineMs || child.exitCode !== null) throw new Error('nats-server did not start')
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    async freeze() {
      child?.kill('SIGSTOP')
      // The signal is on its way; frozen is when every thread is in state T.
      while (!(await isFrozen(child?.pid ?? 0))) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    thaw: () => void child?.kill('SIGCONT'),
    saveStore: () => cp(join(store.path, 'store'), join(store.path, 'saved'), { recursive: true }),
    async restoreStore() {
      await rm(join(store.path, 'store'), { recursive: true })
      await cp(join(store.path, 'saved'), join(store.path, 'store'), { recursive: true })
    },
    async [Symbol.asyncDispose]() {
      await server.kill()
      await store[Symbol.asyncDispose]()
    },
  }
  return server
}
