import { spawn, type ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const root = new URL('../..', import.meta.url).pathname

export type PlatformProcess = AsyncDisposable & {
  readonly child: ChildProcess
  readonly apiUrl: string
  readonly mqttUrl: string
  /** From the start of the process to its “ready”. */
  readonly readyMs: number
  /** Everything it has written so far. */
  output(): string
  kill(signal: NodeJS.Signals): Promise<number | null>
}

/** How a process that never became ready ended. */
export class NotReadyError extends Error {
  override readonly name = 'NotReadyError'
  readonly exitCode: number | null
  constructor(exitCode: number | null, output: string) {
    super(`ended with ${exitCode} before it was ready:\n${output}`)
    this.exitCode = exitCode
  }
}

const FROM_SOURCE = ['--import', 'tsx', 'main.ts']
/** What the image runs. */
export const AS_BUILT = ['--conditions=dist', 'dist/main.js']

/** Starts the program as a person does, with the given environment, and waits until it says that it is ready. */
export async function startProcess(
  environment: Readonly<Record<string, string>>,
  { readyMsMax = 45_000, program = FROM_SOURCE }: { readyMsMax?: number; program?: readonly string[] } = {},
): Promise<PlatformProcess> {
  const startedAtMs = Date.now()
  const child = spawn(process.execPath, program, {
    cwd: root,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      HOST: '127.0.0.1',
      HTTP_PORT: '0',
      MQTT_PORT: '0',
      ALARMS_MQTT_PORT: '0',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  let told = '' // what it told the person on standard output; ends with an empty line
  const ready = new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-200_000)
      if (/"event":"platform\.ready"/.test(output) && told.includes('ready 就绪') && told.endsWith('\n\n')) resolve()
    }
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString()
      take(chunk)
    })
    child.stderr.on('data', take)
    void exited.then((code) => reject(new NotReadyError(code, output)))
    setTimeout(() => reject(new Error(`not ready within ${readyMsMax} ms:\n${output}`)), readyMsMax).unref()
  })
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    return exited
  }
  try {
    await ready
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  const urlAfter = (label: string): string => new RegExp(`^ *${label} +(\\S+://\\S+)`, 'm').exec(told)?.[1] ?? ''
  return {
    child,
    apiUrl: urlAfter('网页 view'),
    mqttUrl: urlAfter('MQTT'),
    readyMs: Date.now() - startedAtMs,
    output: () => output,
    kill,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await kill('SIGKILL')
    },
  }
}

/** A person's first-run password, from the file that the first start writes. */
export async function passwordOf(username: string, dataFolder: string): Promise<string> {
  const text = await readFile(join(dataFolder, 'first-run-sign-ins.txt'), 'utf8')
  const line = text.split('\n').find((each) => each.startsWith(`${username}\t`))
  const password = line?.split('\t')[1]
  if (password === undefined) throw new Error(`${username} is not among the first-run sign-ins`)
  return password
}

/** Signs in over HTTP; answers a fetch that carries the session. */
export async function signIn(apiUrl: string, username: string, password: string) {
  const response = await fetch(`${apiUrl}/api/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: apiUrl },
    body: JSON.stringify({ username, password }),
  })
  if (response.status !== 200) throw new Error(`sign-in answered ${response.status}: ${await response.text()}`)
  const cookie = response.headers
    .getSetCookie()
    .map((each) => each.split(';')[0])
    .join('; ')
  return {
    cookie,
    get: async <T>(path: string): Promise<T> => {
      const answer = await fetch(`${apiUrl}${path}`, { headers: { cookie } })
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
      return (await answer.json()) as T // the shape is the test's own expectation
    },
    status: async (path: string): Promise<number> => (await fetch(`${apiUrl}${path}`, { headers: { cookie } })).status,
  }
}

/** Asks until the answer satisfies; fails with the last answer when it has not within `withinMs`. */
export async function eventually<T>(
  ask: () => Promise<T>,
  isGood: (answer: T) => boolean,
  withinMs: number,
): Promise<T> {
  const endAtMs = Date.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (isGood(answer)) return answer
    if (Date.now() > endAtMs)
      throw new Error(`not within ${withinMs} ms; last answer: ${JSON.stringify(answer)?.slice(0, 500)}`)
    await new Promise((wake) => setTimeout(wake, 50))
  }
}
