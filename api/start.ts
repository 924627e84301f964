/** Starts the API: HTTP, the live view and the built pages on one port. */
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Registry } from 'prom-client'
import { bindHostOf, listenRefusal, urlHostOf } from '#contract/listening'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import type { Register } from '#storage/register/register'
import type { TelemetryStore } from '#storage/telemetry/telemetry-store'
import type { ApiApp } from './api-app.ts'
import { buildApp } from './app.ts'
import type { ExportLimits } from './exports.ts'
import type { FiguresLimits } from './figures-limits.ts'
import { openFleet } from './fleet.ts'
import { openHealth } from './health.ts'
import { openLiveStates } from './live-states.ts'
import { startLive, type LiveLimits } from './live.ts'
import type { SubscriberLimits } from './northbound/limits.ts'
import { startNorthbound, type Northbound } from './northbound/start.ts'
import type { PartCheck } from './part-checks.ts'
import { openPasswords } from './passwords.ts'
import { sessionCookie } from './session-cookie.ts'
import { openSessions } from './sessions.ts'
import type { DeviceDoors } from './terminal-access.ts'
import { routeUpgrades } from './upgrades.ts'

/** Stopping waits this long for answers under way. */
const STOP_MS_MAX = 5_000
const SESSION_SWEEP_MS = 10 * 60_000
const FLEET_REFRESH_MS = 30_000
const BUS_CHECK_MS = 1_000
/** Socket.IO answers the upgrades of this path itself. */
const LIVE_PATH = '/socket.io/'

export type ApiOptions = {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly register: Register
  readonly telemetry: Pick<TelemetryStore, 'history' | 'spans' | 'points' | 'count' | 'figures' | 'sums' | 'check'>
  readonly bus: Bus
  /** What /readyz asks, and what the wall shows as missing. */
  readonly checks: readonly PartCheck[]
  readonly viewFolder: string
  /** Where terminals find the brokers, for those who are registered or claim their place. */
  readonly deviceDoors: DeviceDoors
  /** Origin under which browsers come; empty = the Host of the request. */
  readonly publicOrigin: string
  readonly version: string
  readonly metrics: Registry
  readonly log: Log
  readonly nowMs: () => number
  /** Gets the upgrades of /mqtt. */
  readonly acceptMqttWebSocket?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly exportLimits?: Partial<ExportLimits>
  readonly figuresLimits?: Partial<FiguresLimits>
  readonly liveLimits?: Partial<LiveLimits>
  /** Port of MQTT for subscribers to alarms; 0 takes a free one, undefined = there is none. */
  readonly alarmsMqttPort?: number | undefined
  readonly subscriberLimits?: Partial<SubscriberLimits>
}

export interface Api extends AsyncDisposable {
  /** `http://HOST:PORT`, as reached from this machine. */
  readonly url: string
  /** MQTT for subscribers to alarms; undefined when it is off. */
  readonly northbound: Northbound | undefined
  /** Rejects when the API cannot go on. */
  readonly failed: Promise<never>
}

/** Resolves when requests are answered. A port that is taken is refused with a sentence. */
export async function startApi(o: ApiOptions): Promise<Api> {
  const ends: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end()
  }
  try {
    const cookie = sessionCookie(o.publicOrigin)
    const passwords = await openPasswords(o)
    const sessions = openSessions({ ...o, passwords })
    const fleet = await openFleet(o)
    const liveStates = await openLiveStates({ ...o, fleet })
    ends.push(async () => liveStates[Symbol.asyncDispose]())
    const health = await openHealth(o)
    ends.push(async () => health[Symbol.asyncDispose]())
    const app = await buildApp({ ...o, sessions, cookie, fleet, liveStates, health })
    ends.push(() => closeBounded(app))
    const upgrades = routeUpgrades(app.server, { ...o, leftPath: LIVE_PATH })
    ends.push(async () => upgrades.cut())
    const live = await startLive({
      ...o,
      server: app.server,
      sessions,
      cookie,
      fleet,
      liveStates,
      health,
      limits: o.liveLimits ?? {},
    })
    ends.push(async () => live[Symbol.asyncDispose]())
    const northbound =
      o.alarmsMqttPort === undefined
        ? undefined
        : await startNorthbound({
            ...o,
            port: o.alarmsMqttPort,
            fleet,
            passwords,
            limits: o.subscriberLimits ?? {},
          })
    if (northbound) ends.push(async () => northbound[Symbol.asyncDispose]())
    const startOver = () => {
      liveStates.askForAll()
      live.startOver()
      northbound?.startOver()
    }
    health.onRestarted(startOver)
    const port = await listen(app, o)
    const died = new Promise<never>((_, reject) => app.server.once('error', reject))
    const failed = Promise.race([died, ...(northbound ? [northbound.failed] : [])])
    failed.catch(() => {}) // Nobody may be waiting for it.
    ends.push(
      every(SESSION_SWEEP_MS, () => sessions.sweep()),
      every(FLEET_REFRESH_MS, () => fleet.refresh()),
      watchBus(o.bus, startOver),
    )
    o.log.info('api.listening', { host: o.host, port })
    return { url: `http://${urlHostOf(o.host)}:${port}`, northbound, failed, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function listen(app: ApiApp, { host, port }: Pick<ApiOptions, 'host' | 'port'>): Promise<number> {
  try {
    // “localhost” would make Fastify open a second server, on which there is no live view.
    await app.listen({ host: bindHostOf(host), port })
  } catch (error) {
    throw listenRefusal(error as Error, port, 'HTTP_PORT')
  }
  return (app.server.address() as AddressInfo).port
}

async function closeBounded(app: ApiApp): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      app.server.closeAllConnections()
      resolve()
    }, STOP_MS_MAX)
  })
  await Promise.race([app.close(), late])
  clearTimeout(timer)
}

/** Runs a task again and again, never twice at once; what fails is tried again next time. Returns its end. */
function every(periodMs: number, task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  const timer = setInterval(() => {
    running ??= task()
      .catch(() => {}) // A store that is away is told by the health checks.
      .finally(() => (running = undefined))
  }, periodMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}

/** Calls `lost` when the bus came back or dropped something: what was said meanwhile is unknown here. */
function watchBus(bus: Bus, lost: () => void): () => Promise<void> {
  let before = bus.status()
  return every(BUS_CHECK_MS, async () => {
    const now = bus.status()
    const isBack = before.degraded !== undefined && now.degraded === undefined
    const dropped = now.droppedCount > before.droppedCount && now.degraded === undefined
    before = now
    if (isBack || dropped) lost()
  })
}
