/**
 * The past of one lift: the same lift, people, faults, sensors and publishing rules as of one that is simulated live, taken
 * through a stretch of time that is over. Pure: the same arguments give the same messages.
 *
 * Nobody watches the car move: the terminal is looked at when something goes wrong or is put right, and otherwise just often
 * enough that its state is never unknown and each of its counter readings is there.
 */
import { STATE_SILENCE_MS_MAX } from '#contract/history'
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { Lift } from '#contract/register'
import { STATISTICS_FIELDS, type Connection, type Message, type Statistics, type Status } from '#contract/telemetry'
import { booksAt, handedOverAtMs, startCounting } from '../lift/counters.ts'
import { beginFault } from '../lift/faults.ts'
import { beginLife, live, nextEventAtMs } from '../lift/life.ts'
import { planOf } from '../lift/lift-plan.ts'
import { heightMmAt, type LiftPlan, type LiftState } from '../lift/lift-state.ts'
import { readStatistics, readStatus, readVibrationMg } from '../lift/lift-status.ts'
import { mix, textWord } from '../random.ts'
import type { CounterFields } from '../terminal/own-counters.ts'
import { bootAt, messageIdOf, onlineOf } from '../terminal/pen.ts'
import { nextReports, saidNothing, STATISTICS_MS, type Report, type ReportMemory } from '../terminal/reports.ts'
import { kindOf, kindRow, sense, sensedNothing, UNKNOWN_MODE, type TerminalKind } from '../terminal/sensing.ts'
import { troublesOf } from './troubles.ts'

/** Between two looks: a state is believed for `STATE_SILENCE_MS_MAX`, and nothing of the past is to be unknown. */
const LOOK_MS = 140_000
if (LOOK_MS >= STATE_SILENCE_MS_MAX) throw new Error('a look every LOOK_MS leaves the state unknown in between')

/** Of every status what figures are made of, column by column; NaN where it was not measured. */
export type Looks = {
  readonly atMs: Float64Array<ArrayBuffer>
  readonly seq: Float64Array<ArrayBuffer>
  readonly serviceMode: Float64Array<ArrayBuffer>
  readonly vibrationMg: Float64Array<ArrayBuffer>
}
/** Messages are in order of `seq`, which all of them count together, and have one `boot`, lower than that of any live start. */
export type LiftHistory = {
  readonly lift: LiftId
  readonly serial: TerminalSerial
  readonly boot: number
  readonly birth: Extract<Connection, { state: 'online' }>
  /** Those from `statusesFromMs` on. */
  readonly statuses: readonly Status[]
  readonly statistics: readonly Statistics[]
  readonly messages: readonly Message[]
  /** Those before `statusesFromMs` as well. */
  readonly looks: Looks
}

export type HistorySpan = {
  readonly seed: number
  readonly fromMs: number
  /** The last instant, excluded: when the lift is simulated live from. */
  readonly untilMs: number
  readonly statusesFromMs: number
}

/** A lift that was handed over later has a past from then on. */
export function historyOf(identity: { lift: Lift; serial: TerminalSerial }, span: HistorySpan): LiftHistory {
  const { lift, serial } = identity
  const { seed, untilMs } = span
  const plan = planOf(lift, { seed, speed: 1, pattern: 'real' })
  const fromMs = Math.max(span.fromMs, handedOverAtMs(plan))
  const terminal = new WatchedTerminal({ plan, serial, span: { ...span, fromMs } })
  const troubles = troublesOf({ seed, lift: lift.id, fromMs, untilMs })
  let life = beginLife(plan, fromMs)
  let troubleIndex = 0
  for (;;) {
    const trouble = troubles[troubleIndex]
    const atMs = Math.min(nextEventAtMs(life), terminal.lookAtMs, trouble?.atMs ?? Infinity)
    if (atMs >= untilMs) break
    life = live(plan, life, atMs)
    if (trouble?.atMs === atMs) {
      troubleIndex += 1
      const { name, durationMs } = trouble
      // While something else is wrong it does not come.
      life = { ...life, state: beginFault(plan, life.state, { name, durationMs }, atMs) ?? life.state }
    }
    terminal.follow(life.state, atMs)
  }
  // What the live lift counts on from.
  const livePlan = planOf(lift, { seed, speed: 1, pattern: 'lively' })
  const counted = startCounting(life.state, booksAt(livePlan, untilMs), untilMs)
  return terminal.history({
    reached: readStatistics(plan, life.state, untilMs),
    wanted: readStatistics(livePlan, counted, untilMs),
  })
}

/** The terminal of the lift, as far as it is looked at. */
class WatchedTerminal {
  readonly #plan: LiftPlan
  readonly #serial: TerminalSerial
  readonly #span: HistorySpan
  readonly #kind: TerminalKind
  readonly #word: number
  readonly #boot: number
  #seq = 1 // the birth has the first
  #memory: ReportMemory = saidNothing
  #heard: Pick<LiftState, 'conditions' | 'serviceMode' | 'alarmButton'> | undefined
  #referenceAtMs: number
  readonly #statuses: Status[] = []
  readonly #readings: (Pick<Statistics, 'seq' | 'sampledAtMs'> & { readonly fields: CounterFields })[] = []
  readonly #messages: Message[] = []
  readonly #columns = {
    ...{ atMs: new Column(), seq: new Column() },
    ...{ serviceMode: new Column(), vibrationMg: new Column() },
  }

  constructor({ plan, serial, span }: { plan: LiftPlan; serial: TerminalSerial; span: HistorySpan }) {
    const { seed, fromMs } = span
    this.#plan = plan
    this.#serial = serial
    this.#span = span
    this.#kind = kindOf(seed, serial)
    this.#word = mix(seed, textWord(serial), 20)
    this.#boot = bootAt(fromMs)
    this.#referenceAtMs = fromMs
  }

  /** When it is due to be looked at although nothing happens. */
  get lookAtMs(): number {
    const { statusAtMs, statisticsAtMs } = this.#memory
    return Math.max(this.#span.fromMs, Math.min(statusAtMs + LOOK_MS, statisticsAtMs + STATISTICS_MS))
  }

  /** Looks when it is time to, or when the lift is in another mode or says something else than at the last look. */
  follow(state: LiftState, atMs: number): void {
    if (state.phase === 'open' && state.stop === 0) this.#referenceAtMs = atMs
    const heard = this.#heard
    const isKnown =
      heard !== undefined &&
      heard.conditions === state.conditions &&
      heard.serviceMode === state.serviceMode &&
      heard.alarmButton === state.alarmButton
    if (isKnown && atMs < this.lookAtMs) return
    if (isKnown && atMs < this.#span.statusesFromMs && atMs < this.#memory.statisticsAtMs + STATISTICS_MS) {
      this.#glance(state, atMs)
      return
    }
    const { conditions, serviceMode, alarmButton } = state
    this.#heard = { conditions, serviceMode, alarmButton }
    this.#look(state, atMs)
  }

  /** A status that is not kept: only what its hour's figures need of it is read, which is a tenth of the work. */
  #glance(state: LiftState, atMs: number): void {
    const { hearsController, measures } = kindRow(this.#kind)
    const isMeasured = measures === null || measures.includes('vibrationMg')
    this.#seq += 1
    this.#memory = { ...this.#memory, statusAtMs: atMs }
    this.#note(atMs, {
      serviceMode: hearsController ? state.serviceMode : UNKNOWN_MODE,
      vibrationMg: isMeasured ? readVibrationMg(this.#plan, state, atMs) : undefined,
    })
  }

  /** For the figures. */
  #note(atMs: number, { serviceMode, vibrationMg }: { serviceMode: number; vibrationMg?: number | undefined }): void {
    this.#columns.atMs.push(atMs)
    this.#columns.seq.push(this.#seq)
    this.#columns.serviceMode.push(serviceMode)
    this.#columns.vibrationMg.push(vibrationMg ?? Number.NaN)
  }

  #look(state: LiftState, atMs: number): void {
    const { labels, heightsMm } = this.#plan
    const { hearsController } = kindRow(this.#kind)
    // Minutes lie between two looks: what the sensors remember is over, but for where the barometer was put right.
    const senses = { ...sensedNothing(atMs), referenceAtMs: this.#referenceAtMs }
    const { fields } = sense(this.#kind, readStatus(this.#plan, state, atMs), senses, {
      ...{ atMs, labels, heightsMm, word: this.#word },
      trueMm: heightMmAt(state, atMs),
    })
    const { memory, reports } = nextReports(
      {
        fields,
        conditions: hearsController ? state.conditions : saidNothing.conditions,
        runCount: state.counters.runCount,
        counters: () => readStatistics(this.#plan, state, atMs),
      },
      this.#memory,
      atMs,
    )
    this.#memory = memory
    for (const report of reports) this.#write(report, atMs)
  }

  #write(report: Report, atMs: number): void {
    this.#seq += 1
    const header = { v: 1, boot: this.#boot, seq: this.#seq } as const
    if (report.kind === 'statistics') {
      this.#readings.push({ seq: this.#seq, sampledAtMs: atMs, fields: report.fields })
    } else if (report.kind === 'message') {
      const { condition, raised, snapshot } = report
      const { codeSet, code, kind } = condition
      const id = messageIdOf(this.#plan.id, condition)
      this.#messages.push({ ...header, id, codeSet, code, kind, raised, occurredAtMs: atMs, snapshot })
    } else {
      const { fields } = report
      this.#note(atMs, fields)
      if (atMs >= this.#span.statusesFromMs) this.#statuses.push({ ...fields, ...header, sampledAtMs: atMs })
    }
  }

  /** `reached` is what the lift has counted in this stretch, `wanted` what its counters are to show at the end of it. */
  history({ reached, wanted }: { reached: CounterFields; wanted: CounterFields }): LiftHistory {
    const boot = this.#boot
    const { atMs, seq, serviceMode, vibrationMg } = this.#columns
    const counts = kindRow(this.#kind).counts ?? COUNTER_NAMES
    return {
      lift: this.#plan.id,
      serial: this.#serial,
      boot,
      birth: { v: 1, boot, seq: 1, ...onlineOf(this.#serial, this.#span.fromMs) },
      statuses: this.#statuses,
      statistics: this.#readings.map(({ fields, ...reading }) => {
        const body: Statistics = { v: 1, boot, ...reading }
        for (const name of counts) body[name] = shifted(fields[name], reached[name], wanted[name])
        return body
      }),
      messages: this.#messages,
      looks: {
        atMs: atMs.taken(),
        seq: seq.taken(),
        serviceMode: serviceMode.taken(),
        vibrationMg: vibrationMg.taken(),
      },
    }
  }
}

/** Numbers one behind the other, without an object that the memory of the thread would have to be searched for. */
class Column {
  #values = new Float64Array(4096)
  #count = 0

  push(value: number): void {
    if (this.#count === this.#values.length) {
      const longer = new Float64Array(2 * this.#count)
      longer.set(this.#values)
      this.#values = longer
    }
    this.#values[this.#count] = value
    this.#count += 1
  }

  taken(): Float64Array<ArrayBuffer> {
    return this.#values.slice(0, this.#count)
  }
}

const COUNTER_NAMES = Object.keys(STATISTICS_FIELDS) as (keyof CounterFields)[]

/** Never falls where `value` does not, and is `wanted` at the end. Whole numbers stay whole. */
const shifted = (value = 0, reached = 0, wanted = 0): number =>
  Math.max(0, Math.round((value - reached + wanted) * 1000) / 1000)
