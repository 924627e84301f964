/**
 * One lift with its residents and the terminal's pen: time goes in, messages come out, byte for byte the same for the same
 * seed. No clock, no network.
 */
import type { TerminalSerial } from '#contract/ids'
import type { Lift } from '#contract/register'
import type { ConnectionOnline, Message, Statistics, Status } from '#contract/telemetry'
import type { MessageKind } from '#contract/topics'
import type { Static } from 'typebox'
import { advanceLift, callLift, startCounting, startLift, warmUpFromMs } from './lift.ts'
import type { LiftPlan, LiftState } from './lift-state.ts'
import { nextReports, saidNothing, type Report, type ReportMemory } from './reports.ts'
import { firstArrival, groupOf, nextArrival, type Arrivals } from './residents.ts'
import { mix, textWord } from './random.ts'
import { SCENARIOS, type ScenarioName } from './scenarios.ts'

/** A message as it goes to the broker. */
export type Spoken = { readonly kind: MessageKind; readonly seq: number; readonly payload: string }

const FIRMWARE = 'sim-1.0.0'
/** Counts boots from here, 1 January 2025, in quarters of a second: a start always has a higher number than the one before. */
const BOOT_EPOCH_MS = 1_735_689_600_000
const BOOT_STEP_MS = 250
const BOOT_MAX = 0xffff_ffff

/** A number for a start at `atMs` that is higher than that of any start a quarter of a second or more before. Holds until 2058. */
export const bootAt = (atMs: number): number =>
  Math.min(BOOT_MAX, Math.max(0, Math.floor((atMs - BOOT_EPOCH_MS) / BOOT_STEP_MS)))

export class SimulatedLift {
  readonly #plan: LiftPlan
  readonly #serial: TerminalSerial
  #state: LiftState
  #arrivals: Arrivals
  #memory: ReportMemory = saidNothing
  #boot: number
  #seq = 0
  #atMs: number

  constructor(o: { lift: Lift; serial: TerminalSerial; seed: number; speed: number; startAtMs: number }) {
    const { lift, seed, speed, startAtMs } = o
    this.#plan = planOf(lift, seed, speed)
    this.#serial = o.serial
    this.#atMs = warmUpFromMs(startAtMs)
    this.#state = startLift(this.#plan, this.#atMs)
    this.#arrivals = firstArrival(this.#plan.household, this.#atMs)
    this.advanceUnheard(startAtMs)
    this.#state = startCounting(this.#plan, this.#state, startAtMs)
    this.#boot = bootAt(startAtMs)
  }

  get plan(): LiftPlan {
    return this.#plan
  }

  get state(): LiftState {
    return this.#state
  }

  /** When something happens next, Unix ms. */
  get dueAtMs(): number {
    return Math.min(this.#state.untilMs, this.#arrivals.atMs, this.#memory.dueAtMs)
  }

  /** Lives on until `toMs` and says what is to be said on the way, each thing with its own time. A clock that went back changes nothing. */
  advance(toMs: number): Spoken[] {
    const spoken: Spoken[] = []
    for (let atMs = this.#due(); atMs <= toMs; atMs = this.#due()) {
      this.#live(atMs)
      this.#report(atMs, spoken)
    }
    this.#atMs = Math.max(this.#atMs, toMs)
    return spoken
  }

  /** The same, but nobody listens: the lift lives on and nothing is said. For a terminal that is dead or a machine that slept. */
  advanceUnheard(toMs: number): void {
    for (let atMs = this.#dueLife(); atMs <= toMs; atMs = this.#dueLife()) this.#live(atMs)
    this.#atMs = Math.max(this.#atMs, toMs)
  }

  /** What a terminal says when it has just connected: who it is, how the lift is, what it counted. */
  greet(toMs: number): Spoken[] {
    const spoken = this.advance(toMs)
    const atMs = this.#atMs
    const online: Omit<Static<typeof ConnectionOnline>, 'v' | 'boot' | 'seq'> = {
      state: 'online',
      terminal: this.#serial,
      firmware: FIRMWARE,
      iccid: `8986${String(mix(textWord(this.#serial), 8)).padStart(16, '0')}`,
      atMs,
    }
    spoken.push(this.#say('connection', online))
    this.#memory = { ...saidNothing, conditions: this.#memory.conditions }
    this.#report(atMs, spoken)
    return spoken
  }

  /** The terminal starts again: a new boot number, and nothing was said. The lift knows nothing of it. */
  reboot(toMs: number): void {
    this.advanceUnheard(toMs)
    this.#boot = Math.max(this.#boot + 1, bootAt(toMs))
    this.#seq = 0
    this.#memory = saidNothing
  }

  /** Makes something go wrong with the lift. False when something is wrong already, or the scenario is none of a lift. */
  play(name: ScenarioName, durationMs: number, toMs: number): { played: boolean; spoken: Spoken[] } {
    const spoken = this.advance(toMs)
    const { play } = SCENARIOS[name]
    if (play === null || this.#state.trouble !== null) return { played: false, spoken }
    this.#state = play(this.#plan, this.#state, durationMs, this.#atMs)
    this.#report(this.#atMs, spoken)
    return { played: true, spoken }
  }

  #dueLife(): number {
    return Math.max(this.#atMs, Math.min(this.#state.untilMs, this.#arrivals.atMs))
  }

  #due(): number {
    return Math.max(this.#atMs, this.dueAtMs)
  }

  #live(atMs: number): void {
    this.#atMs = atMs
    this.#state = advanceLift(this.#plan, this.#state, atMs)
    const { household } = this.#plan
    while (this.#arrivals.atMs <= atMs) {
      this.#state = callLift(this.#plan, this.#state, groupOf(household, this.#arrivals), atMs)
      this.#arrivals = nextArrival(household, this.#arrivals)
    }
  }

  #report(atMs: number, spoken: Spoken[]): void {
    const { memory, reports } = nextReports(this.#plan, this.#state, this.#memory, atMs)
    this.#memory = memory
    for (const report of reports) spoken.push(this.#sayReport(report))
  }

  #sayReport(report: Report): Spoken {
    const { kind, atMs } = report
    if (kind === 'status') return this.#say<Status>(kind, { sampledAtMs: atMs, ...report.fields })
    if (kind === 'statistics') return this.#say<Statistics>(kind, { sampledAtMs: atMs, ...report.fields })
    const { condition, raised, snapshot } = report
    return this.#say<Message>(kind, {
      id: `${this.#plan.id}-${condition.code}-${condition.sinceMs}`,
      codeSet: 'gbt24476',
      code: condition.code,
      kind: condition.kind,
      raised,
      occurredAtMs: atMs,
      snapshot,
    })
  }

  #say<Body>(kind: MessageKind, body: Omit<Body, 'v' | 'boot' | 'seq'>): Spoken {
    this.#seq += 1
    return { kind, seq: this.#seq, payload: JSON.stringify({ v: 1, boot: this.#boot, seq: this.#seq, ...body }) }
  }
}

function planOf(lift: Lift, seed: number, speed: number): LiftPlan {
  return {
    id: lift.id,
    labels: lift.landings.map(({ label }) => label),
    heightsMm: lift.landings.map(({ heightMm }) => heightMm),
    ratedMmps: lift.ratedSpeedMps * 1000,
    ratedLoadKg: lift.ratedLoadKg,
    household: { lift: lift.id, seed, landingCount: lift.landings.length, speed },
  }
}
