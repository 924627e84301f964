import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { tempFolder } from './temp-folder.ts'

const PROGRAMS = ['/usr/sbin/nats-server', '/usr/local/bin/nats-server', '/usr/bin/nats-server']
const READY_MS_MAX = 15_000

export interface NatsServer extends AsyncDisposable {
  readonly url: string
  /** Starts it (again) on the same port with the same store. */
  start(): Promise<void>
  /** Ends it with SIGKILL, as a power cut of the process would. */
  kill(): Promise<void>
  /** Stops it from answering, and lets it go on. */
  freeze(): Promise<void>
  thaw(): void
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    // The server speaks first.
    await Promise.race([once(socket, 'data'), once(socket, 'error').then(([error]) => Promise.reject(error as Error))])
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
  const program = PROGRAMS.find((path) => existsSync(path))
  if (program === undefined) throw new Error('nats-server is missing: apt-get install nats-server')
  const store = await tempFolder('nats')
  const port = await freePort()
  let child: ChildProcess | undefined
  const server: NatsServer = {
    url: `nats://127.0.0.1:${port}`,
    async start() {
      child = spawn(program, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(store.path, 'store')], {
        stdio: 'ignore',
      })
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
    async [Symbol.asyncDispose]() {
      await server.kill()
      await store[Symbol.asyncDispose]()
    },
  }
  if (isStarted) await server.start()
  return server
}
