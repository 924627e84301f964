/**
 * Plays a scenario on a virtual clock, without a network and as fast as the machine can: the same lifts, terminals, buffers and
 * links as those that speak to a real broker, and beside what that broker would take what is really so with each lift.
 *
 * Pure: the same plan, seed and impairment give the same happenings.
 */
import type { LiftId } from '#contract/ids'
import type { Lift } from '#contract/register'
import type { Truth } from '../lift/truth.ts'
import { textWord } from '../random.ts'
import { isTerminalFaultName } from '../terminal/terminal-faults.ts'
import { drawClock } from '../terminal/clock.ts'
import { impairmentOf, Link, type Impairment, type ImpairmentName } from '../terminal/link.ts'
import { kindOf } from '../terminal/sensing.ts'
import { SimulatedLift, type Played } from '../terminal/simulated-lift.ts'
import { SimulatedTerminalDevice } from '../terminal/terminal.ts'
import type { RiderGroup } from '../town/residents.ts'
import { generateTown } from '../town/town.ts'
import type { Ride, ScenarioEvent, ScenarioPlan } from './scenario-file.ts'
import { ScenarioError } from './scenario-format.ts'
import { VirtualBroker, type Arrival } from './virtual-broker.ts'

export type { Arrival } from './virtual-broker.ts'
/** What the broker took, and what is really so. */
export type Happening = Arrival | { readonly do: 'truth'; readonly truth: Truth }

export type PlayOptions = {
  /** Unix ms; the begin that the file names without it. */
  readonly startAtMs?: number
  /** In place of the link of the file, outages included. */
  readonly impairment?: ImpairmentName | Impairment
  /** In place of the seed of the file. */
  readonly seed?: number
}

/** Terminals connect one after the other, as in a simulated town. */
const CONNECT_PACE_MS = 20
/** Something that is refused is tried again so often and for so long. */
const AGAIN_MS = 1000
const GIVEN_UP_MS = 60_000
const RIDER_KG = 65
const RIDER_TRANSFER_MS = 1750

/**
 * What happens, in the order of time, from the start to the end of the scenario. Throws `ScenarioError` when something of the
 * plan cannot happen: a fault or rescue that was refused for a minute, or a fault that never began to bite.
 */
export function* playScenario(plan: ScenarioPlan, options: PlayOptions = {}): Generator<Happening, void, undefined> {
  const stage = new Stage(plan, options)
  while (stage.advance()) yield* stage.takeHappened()
  yield* stage.takeHappened()
}

/** Something that is to be done to one lift. */
type Deed = {
  readonly event: ScenarioEvent
  /** Where it stands in the file. */
  readonly name: string
  readonly actor: Actor
  readonly fromMs: number
  tryAtMs: number
}
/** A lift with its terminal. */
type Actor = {
  readonly number: number
  readonly lift: Lift
  readonly device: SimulatedTerminalDevice
  dueAtMs: number
}

class Stage {
  readonly #endAtMs: number
  readonly #actors: readonly Actor[]
  readonly #broker: VirtualBroker
  /** By the time at which they are to be tried. */
  #deeds: Deed[]
  /** Faults that were put upon a lift or terminal and do not bite yet. */
  #unbitten: Deed[] = []
  #happened: Happening[] = []
  #atMs: number

  constructor(plan: ScenarioPlan, o: PlayOptions) {
    const startAtMs = o.startAtMs ?? plan.startsAtMs
    this.#atMs = startAtMs
    this.#endAtMs = startAtMs + plan.lastsMs
    this.#broker = new VirtualBroker({
      nowMs: () => this.#atMs,
      onArrival: (arrival) => this.#happened.push(arrival),
    })
    this.#actors = this.#cast(plan, o, startAtMs)
    this.#deeds = plan.events
      .flatMap((event, index) =>
        event.lifts.map((number): Deed => {
          const actor = this.#actors[number - 1]
          if (actor === undefined) throw new ScenarioError(`events[${index}]: there is no lift ${number}.`)
          const fromMs = startAtMs + event.atMs
          return { event, name: `events[${index}]`, actor, fromMs, tryAtMs: fromMs }
        }),
      )
      .sort((a, b) => a.tryAtMs - b.tryAtMs)
  }

  #cast(plan: ScenarioPlan, o: PlayOptions, startAtMs: number): Actor[] {
    const seed = o.seed ?? plan.seed
    const impairment = impairmentOf(o.impairment ?? plan.impairment)
    const town = generateTown({ seed, liftCount: plan.liftCount, boundAtMs: startAtMs })
    return town.terminals.map(({ serial, lift: id }, index) => {
      const lift = town.lifts[index]
      if (lift?.id !== id) throw new Error('terminals are in the order of the lifts')
      const simulated = new SimulatedLift({
        ...{ lift, serial, seed, startAtMs, speed: 1 },
        pattern: 'real',
        kind: plan.terminals[index] ?? kindOf(seed, serial),
        clock: drawClock({ ...impairment, startAtMs, seed: textWord(serial) ^ seed }),
        onTruth: (truth) => this.#tell(truth),
      })
      const device = new SimulatedTerminalDevice({
        ...{ seed, nowMs: () => this.#atMs, events: { onConnected: () => {}, onLost: () => {} } },
        openWire: this.#broker.openWire,
        identity: { serial, lift: id, secret: '' },
        lift: simulated,
        link: new Link({ impairment, seed, serial, startAtMs }),
        connectAtMs: startAtMs + index * CONNECT_PACE_MS,
      })
      return { number: index + 1, lift, device, dueAtMs: startAtMs }
    })
  }

  /** Goes on to the next moment at which something may happen. False when the scenario is over. */
  advance(): boolean {
    const atMs = this.#nextAtMs()
    if (atMs > this.#endAtMs) {
      const [never] = this.#unbitten
      if (never !== undefined) throw new ScenarioError(`${what(never)} never began: it found no chance.`)
      return false
    }
    this.#atMs = atMs
    this.#broker.tick()
    for (const actor of this.#actors)
      if (actor.dueAtMs <= atMs) {
        actor.device.tick(atMs)
        this.#settle(actor)
      }
    while (this.#deeds[0] !== undefined && this.#deeds[0].tryAtMs <= atMs) this.#tryFirst()
    return true
  }

  takeHappened(): readonly Happening[] {
    const happened = this.#happened
    this.#happened = []
    return happened
  }

  #nextAtMs(): number {
    let atMs = Math.min(this.#broker.dueAtMs, this.#deeds[0]?.tryAtMs ?? Infinity)
    for (const { dueAtMs } of this.#actors) if (dueAtMs < atMs) atMs = dueAtMs
    return atMs
  }

  /** The broker answers, and what began to bite meanwhile is crossed off. */
  #settle(actor: Actor): void {
    this.#broker.answer()
    // Links count in parts of a ms, this clock does not.
    actor.dueAtMs = Math.max(this.#atMs + 1, Math.ceil(actor.device.dueAtMs))
    if (this.#unbitten.length > 0)
      this.#unbitten = this.#unbitten.filter((deed) => deed.actor !== actor || !this.#bitesTerminal(deed))
  }

  #tryFirst(): void {
    const deed = this.#deeds.shift()
    if (deed === undefined) return
    const { event, actor } = deed
    if (event.do === 'fault') this.#unbitten.push(deed)
    const isDone = actor.device.act((lift) => perform(deed, lift, this.#atMs), this.#atMs)
    this.#settle(actor)
    if (isDone) return
    this.#unbitten = this.#unbitten.filter((other) => other !== deed)
    deed.tryAtMs += AGAIN_MS
    if (deed.tryAtMs > deed.fromMs + GIVEN_UP_MS)
      throw new ScenarioError(`${what(deed)} was refused for a minute: ${REFUSALS[event.do]}.`)
    const after = this.#deeds.findIndex(({ tryAtMs }) => tryAtMs > deed.tryAtMs)
    this.#deeds.splice(after === -1 ? this.#deeds.length : after, 0, deed)
  }

  #bitesTerminal({ event, actor }: Deed): boolean {
    if (event.do !== 'fault' || !isTerminalFaultName(event.fault)) return false
    return actor.device.lift.faults.some(({ name, untilMs }) => name === event.fault && untilMs < Infinity)
  }

  #tell(truth: Truth): void {
    this.#happened.push({ do: 'truth', truth })
    const { fault, lift } = truth
    if (fault !== null && this.#unbitten.length > 0)
      this.#unbitten = this.#unbitten.filter((deed) => !bitesLift(deed, lift, fault))
  }
}

const bitesLift = ({ event, actor }: Deed, lift: LiftId, fault: { readonly name: string }): boolean =>
  event.do === 'fault' && actor.lift.id === lift && event.fault === fault.name

const REFUSALS = {
  fault: 'something else is wrong with that lift, or its terminal has no such part',
  rescue: 'nobody is trapped there',
  ride: 'the lift is out of service, too many wait, or they are too heavy',
} as const

const what = ({ event, name, actor }: Deed): string =>
  `${name}: ${event.do === 'fault' ? event.fault : `the ${event.do}`} at lift ${actor.number}`

function perform({ event, name, actor }: Deed, lift: SimulatedLift, atMs: number): Played {
  switch (event.do) {
    case 'fault':
      return lift.play(event.fault, event.durationMs, atMs)
    case 'rescue': {
      const rescued = lift.rescue(atMs)
      // People who are being let out already need no other mechanic.
      return { ...rescued, played: rescued.answer !== 'nobody-trapped' }
    }
    case 'ride':
      return lift.call(groupOf(event.ride, actor, name), atMs)
    default:
      return event satisfies never
  }
}

function groupOf({ from, to, count, boardingMs }: Ride, { lift, number }: Actor, name: string): RiderGroup {
  const landing = (label: string): number => {
    const { landings } = lift
    if (label === 'bottom') return 0
    if (label === 'top') return landings.length - 1
    const index = landings.findIndex((one) => one.label === label)
    if (index >= 0) return index
    const labels = landings.map((one) => one.label).join(', ')
    throw new ScenarioError(`${name}.ride: lift ${number} has no landing “${label}”; it has ${labels}.`)
  }
  const group = { from: landing(from), to: landing(to) }
  if (group.from === group.to) throw new ScenarioError(`${name}.ride: “from” and “to” are the same landing.`)
  return { ...group, count, massKg: count * RIDER_KG, transferMs: boardingMs ?? count * RIDER_TRANSFER_MS }
}
