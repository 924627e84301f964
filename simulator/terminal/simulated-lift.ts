/**
 * One lift with its residents and the terminal's pen: time goes in, messages come out, byte for byte the same for the same
 * seed, however the time is cut. No clock of its own, no network.
 */
import { booksAt, countersAt, startCounting } from '../lift/counters.ts'
import { beginFault, isLiftFaultName, rescueAnswer, rescueLift, type RescueAnswer } from '../lift/faults.ts'
import { callLift, warmUpFromMs } from '../lift/lift.ts'
import { beginLife, live, nextEventAtMs, type Life } from '../lift/life.ts'
import { planOf } from '../lift/lift-plan.ts'
import { heightMmAt, type LiftPlan, type LiftState } from '../lift/lift-state.ts'
import { nextLabelChangeAtMs, readStatistics, readStatus, type StatusFields } from '../lift/lift-status.ts'
import { mix, textWord } from '../random.ts'
import type { ScenarioName } from '../scenarios.ts'
import type { RiderGroup } from '../town/residents.ts'
import { deviceMsAt, trueClock, withJump, type ClockPlan } from './clock.ts'
import {
  count,
  countingFrom,
  sinceRestart,
  statisticsOf,
  withoutRun,
  type Counted,
  type CounterFields,
  type OwnCounters,
} from './own-counters.ts'
import { Pen, type Spoken } from './pen.ts'
import { nextReports, saidNothing, type ReportMemory } from './reports.ts'
import { kindRow, sense, sensedNothing, type SenseMemory, type TerminalKind } from './sensing.ts'
import type { SimulatedLiftOptions } from './simulated-lift-options.ts'
import {
  clockJumpMs,
  distorted,
  faultsDueAtMs,
  isDown,
  isTerminalFaultName,
  REPEATED_COUNT,
  settledFaults,
  withFault,
  type FaultMoment,
  type TerminalFault,
  type TerminalFaultName,
} from './terminal-faults.ts'
import { TruthTeller } from './truth-teller.ts'

export { bootAt, type Spoken } from './pen.ts'

/** What came of something that was done to a lift or its terminal, and what the terminal said until then and of it. */
export type Played = { readonly played: boolean; readonly spoken: Spoken[] }

export class SimulatedLift {
  readonly kind: TerminalKind
  readonly #plan: LiftPlan
  /** The terminal's own seed. */
  readonly #word: number
  readonly #pen: Pen
  #truthTeller: TruthTeller | undefined
  #life: Life
  #clock: ClockPlan
  #faults: readonly TerminalFault[] = []
  #senses: SenseMemory
  #own: OwnCounters
  /** What the counters showed when they began at zero again. */
  #restarted: CounterFields | undefined
  #fields: StatusFields
  #memory: ReportMemory = saidNothing
  #isDown = false
  #shutInSinceMs: number | null = null
  /** When the terminal has something to do although nothing happens to the lift. */
  #dueAtMs = -Infinity
  #atMs: number

  constructor(o: SimulatedLiftOptions) {
    const { lift, serial, seed, speed, startAtMs } = o
    this.kind = o.kind ?? 'controller'
    this.#plan = planOf(lift, { seed, speed, pattern: o.pattern ?? 'lively' })
    this.#word = mix(seed, textWord(serial), 20)
    this.#clock = o.clock ?? trueClock(startAtMs)
    this.#atMs = warmUpFromMs(startAtMs)
    this.#life = beginLife(this.#plan, this.#atMs)
    this.#liveUntil(startAtMs)
    const counters = o.counted?.lift ?? booksAt(this.#plan, startAtMs)
    this.#life = { ...this.#life, state: startCounting(this.#state, counters, startAtMs) }
    this.#senses = sensedNothing(startAtMs)
    this.#own = countingFrom(o.counted?.terminal ?? readStatistics(this.#plan, this.#state, startAtMs))
    this.#restarted = o.counted?.restarted
    this.#fields = this.#sense(readStatus(this.#plan, this.#state, startAtMs), startAtMs)
    this.#dueAtMs = -Infinity
    this.#pen = new Pen({ lift: lift.id, serial, startAtMs })
    if (o.onTruth !== undefined) this.#truthTeller = new TruthTeller(this.#plan, o.onTruth)
    this.#truthTeller?.look(this.#state, this.#atMs)
  }

  get plan(): LiftPlan {
    return this.#plan
  }
  get state(): LiftState {
    return this.#life.state
  }
  get #state(): LiftState {
    return this.#life.state
  }
  /** What the lift and its terminal have counted so far: what both remember while nobody simulates them. */
  get counted(): Counted {
    const { runCount, runTimeS, doorOpenCount, distanceM } = this.#own
    return {
      lift: countersAt(this.#plan, this.#state, this.#atMs),
      terminal: { runCount, runTimeS, doorOpenCount, distanceM },
      ...(this.#restarted === undefined ? {} : { restarted: this.#restarted }),
    }
  }
  /** The number of the terminal's present start. */
  get boot(): number {
    return this.#pen.boot
  }
  /** The terminal is without power or hangs. */
  get isDown(): boolean {
    return this.#isDown
  }
  /** What is wrong with the terminal. */
  get faults(): readonly TerminalFault[] {
    return this.#faults
  }

  /** When something happens next, Unix ms. */
  get dueAtMs(): number {
    return Math.min(nextEventAtMs(this.#life), this.#dueAtMs)
  }

  /** Lives on until `toMs` and says what is to be said on the way, each thing with its own time. A clock that went back changes nothing. */
  advance(toMs: number): Spoken[] {
    const spoken: Spoken[] = []
    for (let atMs = this.#due(); atMs <= toMs; atMs = this.#due()) {
      this.#live(atMs)
      this.#step(atMs, spoken)
    }
    this.#atMs = Math.max(this.#atMs, toMs)
    return spoken
  }

  /** The same, but nobody listens: the lift lives on, the terminal looks away and nothing is said. For a machine that slept. */
  advanceUnheard(toMs: number): void {
    this.#liveUntil(toMs)
    this.#own = withoutRun(this.#own)
  }

  #liveUntil(toMs: number): void {
    for (let atMs = this.#dueLife(); atMs <= toMs; atMs = this.#dueLife()) this.#live(atMs)
    this.#atMs = Math.max(this.#atMs, toMs)
  }

  /** What a terminal says when it has just connected: who it is, how the lift is, what it counted. Nothing when it is down. */
  greet(toMs: number): Spoken[] {
    const spoken = this.advance(toMs)
    if (this.#isDown) return spoken
    spoken.push(this.#pen.online(deviceMsAt(this.#clock, this.#atMs)))
    this.#memory = { ...saidNothing, conditions: this.#memory.conditions }
    this.#step(this.#atMs, spoken)
    return spoken
  }

  /**
   * Makes something go wrong with the lift or with its terminal. False when that is refused: something that shuts it out is wrong
   * already, or this terminal has no such part.
   */
  play(name: ScenarioName | TerminalFaultName, durationMs: number, toMs: number): Played {
    return this.#act(toMs, () => {
      if (isTerminalFaultName(name)) return this.#beginOfTerminal(name, durationMs)
      const plan = this.#plan
      return isLiftFaultName(name) && this.#change(beginFault(plan, this.#state, { name, durationMs }, this.#atMs))
    })
  }

  /** A mechanic lets out those who are trapped. `answer` is what they find; nothing is done unless it is `begins`. */
  rescue(toMs: number): Played & { readonly answer: RescueAnswer } {
    let answer: RescueAnswer = 'nobody-trapped'
    const acted = this.#act(toMs, () => {
      answer = rescueAnswer(this.#state)
      return this.#change(rescueLift(this.#plan, this.#state, this.#atMs))
    })
    return { ...acted, answer }
  }

  /** Somebody comes and calls the lift. False when it is not for them: they do not come, then. */
  call(group: RiderGroup, toMs: number): Played {
    return this.#act(toMs, () => {
      const called = callLift(this.#plan, this.#state, group, this.#atMs)
      return called.stairsCount === this.#state.stairsCount && this.#change(called)
    })
  }

  #act(toMs: number, deed: () => boolean): Played {
    const spoken = this.advance(toMs)
    const played = deed()
    if (played) this.#step(this.#atMs, spoken)
    return { played, spoken }
  }

  #change(state: LiftState | undefined): boolean {
    if (state === undefined || state === this.#state) return false
    this.#life = { ...this.#life, state }
    this.#truthTeller?.look(state, this.#atMs)
    return true
  }

  #beginOfTerminal(name: TerminalFaultName, durationMs: number): boolean {
    const atMs = this.#atMs
    // A terminal that is down counts nothing, and will start with other numbers.
    if (name === 'sequence-repeats' && this.#isDown) return false
    const faults = withFault(this.#faults, { name, durationMs, atMs, held: this.#fields })
    if (faults === undefined) return false
    this.#faults = faults
    if (name === 'clock-jumps')
      this.#clock = withJump(this.#clock, {
        fromMs: atMs,
        toMs: atMs + durationMs,
        byMs: clockJumpMs(this.#word, atMs),
      })
    if (name === 'sequence-repeats') this.#pen.countBack(REPEATED_COUNT)
    if (name === 'counters-restart') this.#restarted = this.#counted()
    return true
  }

  #dueLife(): number {
    return Math.max(this.#atMs, nextEventAtMs(this.#life))
  }

  #due(): number {
    return Math.max(this.#atMs, this.dueAtMs)
  }

  #live(atMs: number): void {
    this.#atMs = atMs
    this.#life = live(this.#plan, this.#life, atMs)
    this.#truthTeller?.look(this.#state, atMs)
  }

  /** The terminal looks, and says what is to be said. */
  #step(atMs: number, spoken: Spoken[]): void {
    const truth = readStatus(this.#plan, this.#state, atMs)
    const isShutIn = truth.passengerPresent && truth.doorClosed && truth.carStatus === 0
    this.#shutInSinceMs = isShutIn ? (this.#shutInSinceMs ?? atMs) : null
    const moment: FaultMoment = {
      atMs,
      word: this.#word,
      isOnBattery: truth.powerSource === 'battery',
      shutInSinceMs: this.#shutInSinceMs,
    }
    this.#faults = settledFaults(this.#faults, moment)
    if (isDown(this.#faults, moment)) {
      this.#isDown = true
      this.#dueAtMs = faultsDueAtMs(this.#faults, moment)
      return
    }
    if (this.#isDown) this.#restart(atMs)
    this.#fields = distorted(this.#sense(truth, atMs), this.#faults, moment)
    this.#report(moment, spoken)
  }

  #sense(truth: StatusFields, atMs: number): StatusFields {
    const { labels, heightsMm } = this.#plan
    const { fields, memory, dueAtMs } = sense(this.kind, truth, this.#senses, {
      atMs,
      word: this.#word,
      labels,
      heightsMm,
      trueMm: heightMmAt(this.#state, atMs),
    })
    this.#senses = memory
    // A controller tells at once that the car has passed into the next floor.
    this.#dueAtMs = this.kind === 'controller' ? nextLabelChangeAtMs(this.#plan, this.#state, atMs) : dueAtMs
    return fields
  }

  #report(moment: FaultMoment, spoken: Spoken[]): void {
    const { atMs } = moment
    const { hearsController } = kindRow(this.kind)
    if (!hearsController) this.#own = count(this.#own, this.#fields, atMs)
    const { memory, reports } = nextReports(
      {
        fields: this.#fields,
        conditions: hearsController ? this.#state.conditions : NO_CONDITIONS,
        runCount: hearsController ? this.#state.counters.runCount : this.#own.runCount,
        counters: () => sinceRestart(this.#counted(), this.#restarted),
      },
      this.#memory,
      atMs,
    )
    this.#memory = memory
    this.#dueAtMs = Math.min(this.#dueAtMs, memory.dueAtMs, faultsDueAtMs(this.#faults, moment))
    if (reports.length === 0) return
    const shownMs = deviceMsAt(this.#clock, atMs)
    for (const report of reports) spoken.push(this.#pen.report(report, shownMs))
  }

  #counted(): CounterFields {
    const { counts } = kindRow(this.kind)
    return counts === null ? readStatistics(this.#plan, this.#state, this.#atMs) : statisticsOf(this.#own, counts)
  }

  #restart(atMs: number): void {
    this.#isDown = false
    this.#pen.restart(atMs)
    this.#senses = { ...sensedNothing(atMs), referenceAtMs: this.#senses.referenceAtMs }
    this.#own = withoutRun(this.#own)
    this.#memory = saidNothing
    this.#dueAtMs = -Infinity
  }
}

const NO_CONDITIONS: LiftState['conditions'] = []
