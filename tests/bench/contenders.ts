/** The servers that are measured side by side, each a process on the server's core. */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../servers/free-port.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { SERVER_CORE, startPinned, startProgram, type BenchProcess } from './child-process.ts'

export type ContenderName = 'tiwang' | 'aedes' | 'aedes+reader' | 'mosquitto'
export type Contender = AsyncDisposable & {
  readonly name: ContenderName
  readonly port: number
  readonly process: BenchProcess
  /** A subscriber that receives everything with QoS 1: its session is clean, kept, or there is none. */
  readonly reader: 'none' | 'clean' | 'kept'
}
export type ContenderOptions = { readonly terminalCount: number; readonly profileFolder?: string | undefined }

export const CONTENDERS: Readonly<Record<ContenderName, string>> = {
  tiwang: 'this broker: acknowledged when the journal is on disk (O_DSYNC)',
  aedes: 'plain Aedes, nobody subscribes: everything is thrown away',
  'aedes+reader': 'plain Aedes with one QoS 1 subscriber that receives everything; nothing is kept on disk',
  mosquitto:
    'Mosquitto with persistence (autosave_interval 1 s, on exit; not synced before it acknowledges) and one QoS 1 subscriber with a kept session',
}

/** Why a contender cannot run here, or undefined. */
export function missing(name: ContenderName): string | undefined {
  if (name !== 'mosquitto') return undefined
  const found = spawnSync('mosquitto', ['-h'])
  return found.error === undefined ? undefined : 'mosquitto is not installed: apt-get install mosquitto'
}

export async function startContender(name: ContenderName, o: ContenderOptions): Promise<Contender> {
  switch (name) {
    case 'tiwang':
      return startTiwang(o)
    case 'aedes':
    case 'aedes+reader': {
      const process = startPinned('./plain-aedes-process.ts', { core: SERVER_CORE })
      const { port } = await process.ask<{ port: number }>({})
      const reader = name === 'aedes' ? 'none' : 'clean'
      return { name, port, process, reader, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() }
    }
    case 'mosquitto':
      return startMosquitto()
  }
}

async function startTiwang(o: ContenderOptions): Promise<Contender> {
  const folder = await tempFolder('bench-journal')
  const args = [folder.path, String(o.terminalCount)]
  const process = startPinned('./broker-process.ts', { core: SERVER_CORE, args, profileFolder: o.profileFolder })
  const { port } = await process.ask<{ port: number }>({})
  return {
    name: 'tiwang',
    port,
    process,
    reader: 'none',
    [Symbol.asyncDispose]: async () => {
      await process[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function startMosquitto(): Promise<Contender> {
  const folder = await tempFolder('bench-mosquitto')
  const port = await freePort()
  const config = join(folder.path, 'mosquitto.conf')
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${folder.path}/`,
    'autosave_interval 1',
    'sys_interval 0',
    'log_type error',
    ...(process.getuid?.() === 0 ? ['user root'] : []),
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  const program = startProgram('mosquitto', ['-c', config], SERVER_CORE)
  await untilListening(port)
  return {
    name: 'mosquitto',
    port,
    process: program,
    reader: 'kept',
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise((wake) => setTimeout(wake, 50))
  }
  throw new Error(`nothing listens on port ${port}`)
}
