/** A real API on a free port with a real register, telemetry store and bus, four lifts and four people. */
import { request } from 'node:http'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { io, type Socket } from 'socket.io-client'
import { startApi, type Api, type ApiOptions } from '#api/start'
import { alarmIdOf, type AlarmId, type LiftId, type OrganisationId, type UserId } from '#contract/ids'
import { silentLift, type LiveState } from '#contract/live'
import { silentLog } from '#contract/log-events'
import type { Lift, User } from '#contract/register'
import { openBus, type Bus } from '#storage/bus/bus'
import { openRegister, type AppliedAlarm, type Register } from '#storage/register/register'
import { hashPassword } from '#storage/register/secrets'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { liftOf } from '../lift-of.ts'
import { tempFolder } from '../servers/temp-folder.ts'

export { liftOf }

export const PASSWORD = 'correct horse 7'
export const liftId = (id: string) => id as LiftId
const organisation = (id: string) => id as OrganisationId

export const LIFTS: readonly Lift[] = (
  [
    ['lift-a1', 'contractor-a'],
    ['lift-a2', 'contractor-a'],
    ['lift-b1', 'contractor-b'],
    ['lift-nobody', null],
  ] as const
).map(([id, contractor]) => liftOf(id, contractor))

export const PEOPLE = {
  admin: { name: '管理员', role: 'administrator', organisation: 'ops' },
  operator: { name: '王值班', role: 'operator', organisation: 'ops' },
  alpha: { name: '李维保', role: 'contractor', organisation: 'contractor-a' },
  beta: { name: '赵维保', role: 'contractor', organisation: 'contractor-b' },
} as const
export type Who = keyof typeof PEOPLE

export type Answer = {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  json: Json
}
// The tests look into answers as they come over the wire.
export type Json = { readonly [key: string]: Json } & { readonly length: number } & readonly Json[]
export type Ask = {
  method?: string
  as?: Who | undefined
  cookie?: string | undefined
  body?: unknown
  headers?: Record<string, string>
}

export type World = AsyncDisposable & {
  readonly api: Api
  readonly register: Register
  readonly telemetry: TelemetryStore
  readonly bus: Bus
  readonly metrics: Registry
  readonly folder: string
  /** Added to the real clock. */
  readonly clock: { shiftMs: number; nowMs(): number }
  /** Signs in and returns the Cookie header. */
  signIn(who: Who): Promise<string>
  /** Asks over real HTTP; `as` signs in once per person. */
  ask(path: string, o?: Ask): Promise<Answer>
  raise(lift: string, onsetAtMs?: number): Promise<AppliedAlarm>
  /** Connects to the live view without saying hello. */
  connect(o: { as?: Who; cookie?: string; headers?: Record<string, string>; polling?: boolean }): Viewer
}

/** A filled register and an empty telemetry store, which several worlds may share. */
export type Stores = AsyncDisposable & {
  readonly register: Register
  readonly telemetry: TelemetryStore
  readonly folder: string
}

export async function openStores(): Promise<Stores> {
  const folder = await tempFolder('api')
  const register = await openRegister('pglite:memory', { log: silentLog })
  await fillRegister(register)
  const telemetry = await openTelemetryStore(`file:${join(folder.path, 'telemetry')}`, { log: silentLog })
  return {
    register,
    telemetry,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await telemetry[Symbol.asyncDispose]()
      await register[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/**
 * Starts an API with `options` on stores of its own, or on those of another world. Ingest is not there, but is heard on
 * the bus unless `isIngestSilent`.
 */
export async function openWorld(
  { isIngestSilent = false, ...options }: Partial<ApiOptions> & { isIngestSilent?: boolean } = {},
  shared?: Omit<Stores, keyof AsyncDisposable>,
): Promise<World> {
  const own = shared === undefined ? await openStores() : undefined
  const { register, telemetry, folder } = (shared ?? own) as Stores
  const bus = await openBus('local:', { log: silentLog })
  const metrics = new Registry()
  const clock = { shiftMs: 0, nowMs: () => Date.now() + clock.shiftMs }
  const closeStores = async () => {
    await bus[Symbol.asyncDispose]()
    await own?.[Symbol.asyncDispose]()
  }
  const api = await startApi({
    host: '127.0.0.1',
    port: 0,
    register,
    telemetry,
    bus,
    checks: [],
    viewFolder: join(folder, 'no-view'),
    publicOrigin: '',
    deviceDoors: { port: 1883, tlsPort: null },
    version: '1.2.3',
    metrics,
    log: silentLog,
    nowMs: clock.nowMs,
    ...options,
  }).catch(async (error: unknown) => {
    await closeStores()
    throw error
  })
  const sayAlive = () => bus.publish('health', { part: 'ingest', atMs: clock.nowMs(), degraded: [] })
  const ingest = isIngestSilent ? undefined : setInterval(sayAlive, 5_000)
  const viewers: Viewer[] = []
  const cookies = new Map<Who, Promise<string>>()
  const signIn = async (who: Who) => {
    const answer = await askOver(api.url, '/api/v1/session', {
      method: 'POST',
      body: { username: who, password: PASSWORD },
    })
    if (answer.status !== 200) throw new Error(`sign-in of ${who}: ${answer.text}`)
    return cookieOf(answer)
  }
  const cookieFor = (who: Who) => {
    const cookie = cookies.get(who) ?? signIn(who)
    cookies.set(who, cookie)
    return cookie
  }
  return {
    api,
    register,
    telemetry,
    bus,
    metrics,
    folder,
    clock,
    signIn,
    ask: async (path, o = {}) =>
      askOver(api.url, path, { ...o, cookie: o.as === undefined ? o.cookie : await cookieFor(o.as) }),
    raise: (lift, onsetAtMs = 1_000) => raise(register, liftId(lift), onsetAtMs, clock.nowMs()),
    connect(o) {
      const viewer = new Viewer(
        api.url,
        o.as === undefined ? Promise.resolve(o.cookie) : cookieFor(o.as),
        o.headers ?? {},
        o.polling ?? false,
      )
      viewers.push(viewer)
      return viewer
    },
    async [Symbol.asyncDispose]() {
      clearInterval(ingest)
      for (const viewer of viewers) await viewer.close()
      await api[Symbol.asyncDispose]()
      await closeStores()
    },
  }
}

/** Writes (again) the lifts, organisations and people that every test begins with. */
export async function fillRegister(register: Register): Promise<void> {
  await register.organisations.put([
    { id: organisation('ops'), name: '城运中心', kind: 'operations-centre', phone: '96333' },
    { id: organisation('contractor-a'), name: '甲维保', kind: 'contractor', phone: null },
    { id: organisation('contractor-b'), name: '乙维保', kind: 'contractor', phone: null },
  ])
  await register.lifts.put(LIFTS)
  const passwordHash = await hashPassword(PASSWORD)
  const users = Object.entries(PEOPLE).map(
    ([id, { name, role, organisation: home }]): User & { passwordHash: string } => ({
      id: id as UserId,
      username: id,
      name,
      role,
      organisation: organisation(home),
      passwordHash,
    }),
  )
  await register.users.put(users)
}

async function raise(register: Register, lift: LiftId, onsetAtMs: number, atMs: number): Promise<AppliedAlarm> {
  const applied = await register.alarms.apply({
    event: 'raise',
    id: alarmIdOf(lift, 'entrapment-between-floors', onsetAtMs),
    lift,
    kind: 'entrapment-between-floors',
    priority: 1,
    certainty: 'suspected',
    onsetAtMs,
    atMs,
    summary: { carPosition: '2', passengerCount: 1, lastHeardAtMs: atMs },
    trace: {
      rule: 'entrapment-between-floors',
      sinceAtMs: onsetAtMs,
      decidedAtMs: onsetAtMs + 15_000,
      thresholdMs: 15_000,
      samples: [{ boot: 1, seq: 1, sampledAtMs: onsetAtMs }],
      byClock: false,
    },
  })
  if (applied === undefined) throw new Error('a first raise changes something')
  return applied
}

export const alarmOf = (lift: string, onsetAtMs = 1_000): AlarmId =>
  alarmIdOf(liftId(lift), 'entrapment-between-floors', onsetAtMs)

export function cookieOf(answer: Answer): string {
  const header = answer.headers['set-cookie']
  return (Array.isArray(header) ? header[0] : header)?.split(';')[0] ?? ''
}

function askOver(url: string, path: string, o: Ask): Promise<Answer> {
  const body = o.body === undefined ? undefined : typeof o.body === 'string' ? o.body : JSON.stringify(o.body)
  const headers: Record<string, string> = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(o.cookie === undefined ? {} : { cookie: o.cookie }),
    ...o.headers,
  }
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url), { method: o.method ?? 'GET', headers, agent: false }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = (answer.headers['content-type'] ?? '').includes('json') && text !== ''
        const json = (isJson ? JSON.parse(text) : []) as Json
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

export const stateOf = (lift: string, position: number, more: Partial<LiveState> = {}): LiveState => ({
  ...silentLift(liftId(lift)),
  position,
  ...more,
})

type Heard = { readonly event: string; readonly data: Json }

/** A socket of the live view that keeps what it heard. */
export class Viewer {
  readonly heard: Heard[] = []
  readonly #socket: Promise<Socket>
  #wake: () => void = () => {}

  constructor(url: string, cookie: Promise<string | undefined>, headers: Record<string, string>, polling: boolean) {
    this.#socket = cookie.then((text) => {
      const socket = io(`${url}/live`, {
        forceNew: true,
        reconnection: false,
        transports: [polling ? 'polling' : 'websocket'],
        extraHeaders: { ...headers, ...(text === undefined ? {} : { cookie: text }) },
      })
      const keep = (event: string, data: unknown) => {
        this.heard.push({ event, data: data as Json })
        this.#wake()
      }
      socket.onAny((event: string, data: unknown) => keep(event, data))
      socket.on('connect', () => keep('connect', {}))
      socket.on('connect_error', (error) => keep('connect_error', { message: error.message }))
      socket.on('disconnect', (reason) => keep('disconnect', { reason }))
      return socket
    })
  }

  async hello(hello?: unknown): Promise<void> {
    ;(await this.#socket).emit('hello', hello)
  }

  /** Tries again after a refusal, as the view does. */
  async reconnect(): Promise<void> {
    ;(await this.#socket).connect()
  }

  async close(): Promise<void> {
    ;(await this.#socket).disconnect()
  }

  /** The engine below the socket, to stop reading from it. */
  async engine(): Promise<Socket['io']['engine']> {
    return (await this.#socket).io.engine
  }

  of(event: string): Json[] {
    return this.heard.filter((heard) => heard.event === event).map(({ data }) => data)
  }

  /** Waits until the given number of such events were heard, and returns the last of them. */
  async next(event: string, count = this.of(event).length + 1, msMax = 5_000): Promise<Json> {
    const untilMs = Date.now() + msMax
    for (;;) {
      const found = this.of(event)[count - 1]
      if (found !== undefined) return found
      const leftMs = untilMs - Date.now()
      if (leftMs <= 0)
        throw new Error(
          `no ${event} number ${count} within ${msMax} ms; heard ${this.heard.map((heard) => heard.event).join(' ')}`,
        )
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
