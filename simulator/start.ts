/**
 * The simulator: a town of terminals on one shared tick. A terminal is looked at only when something of it is due, so a town
 * at night costs next to nothing.
 */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { LiftId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { Truth } from './lift/truth.ts'
import { forwardClock } from './forward-clock.ts'
import { drawClock } from './terminal/clock.ts'
import type { SimulatedTerminal } from './terminal/credentials.ts'
import { impairmentOf, Link, type Impairment, type ImpairmentName } from './terminal/link.ts'
import { MemoryFile, memoryKeyOf, readMemory } from './terminal/memory.ts'
import { mqttWires } from './terminal/mqtt-client.ts'
import type { Counted } from './terminal/own-counters.ts'
import { kindOf } from './terminal/sensing.ts'
import { textWord } from './random.ts'
import { RandomFaults } from './random-faults.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import { SimulatedLift } from './terminal/simulated-lift.ts'
import { SimulatedTerminalDevice, type TerminalEvents } from './terminal/terminal.ts'
import type { Pattern } from './town/residents.ts'
import type { Town } from './town/town.ts'

export type { Scenario } from './scenarios.ts'

const TICK_MS = 50
/** 120 terminals are connected after 2.4 s: a broker must check every secret, and that costs. */
const CONNECT_PACE_MS = 20
const LINK_REPORT_MS = 5000
/** Terminals that say goodbye at the same time. */
const LEAVING_MAX = 200

export type SimulatorStatus = {
  readonly terminalCount: number
  readonly connectedCount: number
  /** Messages handed to a connection, each counted once however often it was sent. */
  readonly publishedCount: number
  readonly acknowledgedCount: number
  /** Buffered or on the way. */
  readonly unacknowledgedCount: number
  readonly resentCount: number
  /** Thrown away because a terminal's buffer was full, or lost with a terminal that died. */
  readonly droppedCount: number
}

export interface Simulator extends AsyncDisposable {
  /** Throws a RangeError for a lift that is not simulated. False when something is wrong with the lift already. */
  play(scenario: Scenario): boolean
  status(): SimulatorStatus
  /** Rejects when the simulator itself breaks. A broker that is away is no such thing: it keeps trying. */
  readonly failed: Promise<never>
}

/** Resolves at once; the terminals connect one after the other, and again whenever they lose their broker. */
export async function startSimulator(o: {
  brokerUrl: string
  town: Town
  terminals: readonly SimulatedTerminal[]
  /** Of residents and faults; that of the town may be another one. */
  seed: number
  /** How many times as fast as the clock the residents live. The lifts keep their own pace. */
  speed: number
  /** Mean time between two random scenarios in the whole town; 0 = none. */
  faultMinutes: number
  /** Of all links and clocks; `none` without it. */
  impairment?: ImpairmentName | Impairment
  /** How people ride; `lively` without it. */
  pattern?: Pattern
  /** Hears what is really so with each lift, as it changes. For tests and scorecards. */
  onTruth?: (truth: Truth) => void
  /** Hears each message when it leaves its terminal for the first time. */
  onSent?: TerminalEvents['onSent']
  /** File in which the counters are kept over a restart; without it they begin with what such lifts have probably counted. */
  memoryPath?: string
  log: Log
  nowMs: () => number
  metrics?: Registry
}): Promise<Simulator> {
  const { log } = o
  const nowMs = forwardClock(o.nowMs)
  const startAtMs = nowMs()
  const links = new LinkReport(log, startAtMs)
  const memory = o.memoryPath === undefined ? new Map<string, Counted>() : await readMemory(o.memoryPath, log)
  const devices = openTerminals({ ...o, nowMs, startAtMs, links, memory })
  const memoryFile = keepMemory({ ...o, devices, startAtMs })
  const status = () => statusOf([...devices.values()])
  if (o.metrics !== undefined) registerMetrics(o.metrics, status)
  const play = (scenario: Scenario): boolean => {
    const device = devices.get(scenario.lift)
    if (device === undefined) throw new RangeError(`there is no simulated lift ${scenario.lift}`)
    const durationMs = scenario.durationMs ?? SCENARIOS[scenario.name].durationMs
    const isPlayed = device.play(scenario.name, durationMs, nowMs())
    log.info('simulator.scenario', { scenario: scenario.name, lift: scenario.lift, durationMs, isPlayed })
    return isPlayed
  }
  const lifts = [...devices.keys()]
  const reporting = lifts.filter((lift) => devices.get(lift)?.lift.kind === 'controller')
  const faults = new RandomFaults({ ...o, lifts, reporting, startAtMs, play })
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => (fail = reject))
  failed.catch(() => {}) // whoever cares awaits it; nobody must
  const timer = setInterval(() => {
    try {
      const atMs = nowMs()
      for (const device of devices.values()) if (atMs >= device.dueAtMs) device.tick(atMs)
      faults.tick(atMs)
      links.tick(atMs, devices.size)
      memoryFile?.tick(atMs)
    } catch (error) {
      clearInterval(timer)
      fail(error)
    }
  }, TICK_MS)
  log.info('simulator.started', { liftCount: devices.size, speed: o.speed, faultMinutes: o.faultMinutes })
  return {
    play,
    status,
    failed,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      const leaving = [...devices.values()]
      while (leaving.length > 0) await Promise.all(leaving.splice(0, LEAVING_MAX).map((device) => device.leave()))
      await memoryFile?.close()
    },
  }
}

/** Undefined without a file to keep it in. */
function keepMemory(o: {
  terminals: readonly SimulatedTerminal[]
  devices: ReadonlyMap<LiftId, SimulatedTerminalDevice>
  memoryPath?: string
  startAtMs: number
  log: Log
}): MemoryFile | undefined {
  const { terminals, devices, memoryPath, startAtMs, log } = o
  if (memoryPath === undefined) return undefined
  const toRemember = () =>
    terminals.flatMap(({ serial, lift }) => {
      const simulated = devices.get(lift)?.lift
      return simulated === undefined ? [] : [{ serial, lift, plan: simulated.plan, counted: simulated.counted }]
    })
  return new MemoryFile({ path: memoryPath, log, startAtMs, terminals: toRemember })
}

function openTerminals(o: {
  brokerUrl: string
  town: Town
  terminals: readonly SimulatedTerminal[]
  seed: number
  speed: number
  impairment?: ImpairmentName | Impairment
  pattern?: Pattern
  onTruth?: (truth: Truth) => void
  onSent?: TerminalEvents['onSent']
  startAtMs: number
  nowMs: () => number
  links: LinkReport
  memory: ReadonlyMap<string, Counted>
}): Map<LiftId, SimulatedTerminalDevice> {
  const { seed, speed, startAtMs, nowMs, links } = o
  const openWire = mqttWires(o.brokerUrl)
  const impairment = impairmentOf(o.impairment ?? 'none')
  const lifts = new Map(o.town.lifts.map((lift) => [lift.id, lift]))
  const devices = new Map<LiftId, SimulatedTerminalDevice>()
  const { onConnected, onLost } = links
  const events = { onConnected, onLost, ...(o.onSent === undefined ? {} : { onSent: o.onSent }) }
  o.terminals.forEach((identity, index) => {
    const lift = lifts.get(identity.lift)
    if (lift === undefined)
      throw new RangeError(`terminal ${identity.serial} is bound to ${identity.lift}, which the town does not have`)
    const { serial } = identity
    const counted = o.memory.get(memoryKeyOf(serial, lift.id))
    const simulated = new SimulatedLift({
      lift,
      serial,
      seed,
      speed,
      startAtMs,
      kind: kindOf(seed, serial),
      clock: drawClock({ ...impairment, startAtMs, seed: textWord(serial) ^ seed }),
      ...(o.pattern === undefined ? {} : { pattern: o.pattern }),
      ...(o.onTruth === undefined ? {} : { onTruth: o.onTruth }),
      ...(counted === undefined ? {} : { counted }),
    })
    const device = new SimulatedTerminalDevice({
      openWire,
      identity,
      lift: simulated,
      link: new Link({ impairment, seed, serial, startAtMs }),
      seed,
      connectAtMs: startAtMs + index * CONNECT_PACE_MS,
      nowMs,
      events,
    })
    devices.set(lift.id, device)
  })
  return devices
}

function statusOf(devices: readonly SimulatedTerminalDevice[]): SimulatorStatus {
  const sum = (value: (device: SimulatedTerminalDevice) => number) =>
    devices.reduce((total, device) => total + value(device), 0)
  return {
    terminalCount: devices.length,
    connectedCount: sum(({ isConnected }) => (isConnected ? 1 : 0)),
    publishedCount: sum(({ queue }) => queue.publishedCount),
    acknowledgedCount: sum(({ queue }) => queue.acknowledgedCount),
    unacknowledgedCount: sum(({ queue }) => queue.size),
    resentCount: sum(({ queue }) => queue.resentCount),
    droppedCount: sum(({ queue }) => queue.droppedCount),
  }
}

/** A broker that goes away takes every terminal with it: one line tells of all of them. */
class LinkReport {
  readonly #log: Log
  #reportAtMs: number
  #lostCount = 0
  #connectedCount = 0
  #reason = ''

  constructor(log: Log, startAtMs: number) {
    this.#log = log
    this.#reportAtMs = startAtMs + LINK_REPORT_MS
  }

  readonly onConnected = (): void => {
    this.#connectedCount += 1
  }

  readonly onLost = (lift: LiftId, reason: string): void => {
    this.#log.debug('simulator.link', { lift, reason })
    this.#lostCount += 1
    this.#reason = reason
  }

  tick(atMs: number, terminalCount: number): void {
    if (atMs < this.#reportAtMs) return
    this.#reportAtMs = atMs + LINK_REPORT_MS
    if (this.#lostCount > 0)
      this.#log.warn('simulator.link', {
        lostCount: this.#lostCount,
        connectedCount: this.#connectedCount,
        terminalCount,
        reason: this.#reason,
      })
    this.#lostCount = 0
    this.#connectedCount = 0
  }
}

function registerMetrics(registry: Registry, status: () => SimulatorStatus): void {
  const registers = [registry]
  const gauge = (name: string, help: string, value: (now: SimulatorStatus) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(status()))
      },
    })
  const counter = (name: string, help: string, value: (now: SimulatorStatus) => number) => {
    let told = 0
    return new Counter({
      name,
      help,
      registers,
      collect() {
        const now = value(status())
        this.inc(now - told)
        told = now
      },
    })
  }
  gauge(
    'tiwang_simulator_terminals_connected',
    'Simulated terminals that have a connection now',
    (now) => now.connectedCount,
  )
  gauge('tiwang_simulator_messages_unacknowledged', 'Messages buffered or on the way', (now) => now.unacknowledgedCount)
  counter('tiwang_simulator_messages_published_total', 'Messages handed to a connection', (now) => now.publishedCount)
  counter(
    'tiwang_simulator_messages_acknowledged_total',
    'Messages that the broker took',
    (now) => now.acknowledgedCount,
  )
  counter(
    'tiwang_simulator_messages_resent_total',
    'Messages sent again after a lost connection',
    (now) => now.resentCount,
  )
  counter(
    'tiwang_simulator_messages_dropped_total',
    'Messages lost with a full buffer or a dead terminal',
    (now) => now.droppedCount,
  )
}
