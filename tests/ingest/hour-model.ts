/**
 * Two workers, a journal, a telemetry store and a register with clocks of their own, played move by move: what is stored,
 * marked and computed stops between any two steps, for as long as the play says. The memory of marks, the times and the
 * figures are the real ones.
 */
import { HOUR_MS } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import { HourMarks } from '#ingest/hour-marks'
import { ENDED_MS, longestMsBetween, QUIET_MS, WRITE_WITHIN_MS, type Moment } from '#ingest/hour-times'
import { hourFiguresOf, hoursOfSample } from '#storage/telemetry/hour-figures'
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import { LIFT, statusPoint } from '../storage/telemetry-points.ts'

export type Move =
  | { readonly kind: 'sample'; readonly agoMs: number }
  /** 0 and 2 store, 1 and 3 compute; 0 and 1 are of the first worker. */
  | { readonly kind: 'step'; readonly who: number; readonly count: number }
  | { readonly kind: 'pass'; readonly ms: number }
  /** The machines sleep: their monotonic clocks stand still, the register's clock and the wall clocks go on. */
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'kill'; readonly who: number }
  | { readonly kind: 'takeOver' }
export type Play = { readonly skewsMs: readonly number[]; readonly moves: readonly Move[] }
/** What is done otherwise than it should be, to see that the simulation would find it. */
export type Rules = {
  readonly quietMs?: number
  readonly endedMs?: number
  readonly writeWithinMs?: number
  readonly isClearingBlindly?: boolean
  readonly isCommittingFirst?: boolean
  readonly isMarkingAgain?: boolean
  /** Figures are not replaced by figures of fewer samples. Nothing may rest on it. */
  readonly isKeepingMore?: boolean
}
type Figures = Readonly<Record<number, HourFigures>>

const BEGIN_MS = 495_000 * HOUR_MS + HOUR_MS / 2
/** The frozen moment between looking at the clock and writing that nothing can be done about when it ends with a kill. */
const FROZEN_MS = 20_000

class World {
  timeMs = BEGIN_MS
  elapsedMs = 0
  readonly journal: TelemetryPoint[] = []
  committed = 0
  readonly store = new Set<TelemetryPoint>()
  readonly figures = new Map<number, HourFigures>()
  readonly marks = new Map<number, { mark: number; atMs: number }>()
  markCount = 0
  holder = 0
  readonly skewsMs: readonly number[]
  readonly rules: Required<Rules>

  constructor(play: Play, rules: Rules) {
    this.skewsMs = play.skewsMs
    this.rules = {
      ...{ quietMs: QUIET_MS, endedMs: ENDED_MS, writeWithinMs: WRITE_WITHIN_MS },
      ...{ isClearingBlindly: false, isCommittingFirst: false, isMarkingAgain: true, isKeepingMore: true, ...rules },
    }
  }
  momentOf(worker: number): Moment {
    return { nowMs: this.timeMs + (this.skewsMs[worker] ?? 0), elapsedMs: this.elapsedMs }
  }
  get registerMs(): number {
    return this.timeMs + (this.skewsMs[2] ?? 0)
  }
  mark(hours: readonly number[]): void {
    for (const hourAtMs of hours) this.marks.set(hourAtMs, { mark: ++this.markCount, atMs: this.registerMs })
  }
  sample(agoMs: number): void {
    const seq = this.journal.length
    const atMs = this.timeMs - agoMs
    const point = statusPoint({ atMs, seq, fields: { serviceMode: seq % 3, vibrationMg: seq } })
    const isReading = seq % 3 === 0
    this.journal.push({
      ...point,
      receivedAtMs: this.timeMs,
      ...(isReading ? { measurement: 'statistics' as const, fields: { runCount: Math.floor(atMs / 60_000) } } : {}),
    })
  }
}

/** The steps of one who works: each `yield` is a place at which he may be frozen or killed. */
type Steps = Generator<'idle' | 'busy' | 'mayNotDie', never, void>

function* storing(world: World, worker: number): Steps {
  const known = new HourMarks({ retentionDays: 396 })
  for (let position = world.committed; ;) {
    yield 'idle'
    const end = world.journal.length
    if (world.holder !== worker || end === position) continue
    const batch = world.journal.slice(position, end)
    yield 'busy'
    for (const point of batch) world.store.add(point)
    if (world.rules.isCommittingFirst) world.committed = Math.max(world.committed, end)
    yield 'busy'
    const missing = known.missing(batch, world.momentOf(worker))
    yield 'busy'
    if (missing.length > 0) {
      const begunAt = world.momentOf(worker)
      yield 'busy'
      world.mark(missing.map(({ hourAtMs }) => hourAtMs))
      yield 'busy'
      known.made(missing, begunAt, [])
      yield 'busy'
    }
    world.committed = Math.max(world.committed, end)
    position = end
  }
}

function* computing(world: World, worker: number): Steps {
  const { rules } = world
  for (;;) {
    yield 'idle'
    if (world.holder !== worker) continue
    const asked = world.momentOf(worker)
    const due = [...world.marks].filter(
      ([hourAtMs, { atMs }]) =>
        hourAtMs + HOUR_MS < asked.nowMs - rules.endedMs && atMs < world.registerMs - rules.quietMs,
    )
    if (due.length === 0) continue
    yield 'busy'
    const readAt = world.momentOf(worker)
    yield 'busy'
    const read = due.map(([hourAtMs, { mark }]) => ({ hourAtMs, mark, figures: figuresOf(world.store, hourAtMs) }))
    yield 'busy'
    const isFewer = ({ hourAtMs, figures }: (typeof read)[number]): boolean =>
      rules.isKeepingMore && (world.figures.get(hourAtMs)?.sampleCount ?? 0) > figures.sampleCount
    const fewer = read.filter(isFewer)
    const rows = read.filter((row) => !fewer.includes(row))
    yield 'busy'
    for (const { hourAtMs, mark } of fewer) if (world.marks.get(hourAtMs)?.mark === mark) world.marks.delete(hourAtMs)
    if (longestMsBetween(readAt, world.momentOf(worker)) > rules.writeWithinMs) {
      world.mark(rows.map(({ hourAtMs }) => hourAtMs))
      continue
    }
    const checkedAtMs = world.timeMs
    yield 'busy'
    for (const { hourAtMs, figures } of rows) world.figures.set(hourAtMs, figures)
    yield world.timeMs - checkedAtMs > FROZEN_MS ? 'mayNotDie' : 'busy'
    for (const { hourAtMs, mark } of rows) {
      if (rules.isClearingBlindly || world.marks.get(hourAtMs)?.mark === mark) world.marks.delete(hourAtMs)
      else if (rules.isMarkingAgain) world.mark([hourAtMs])
    }
  }
}

const figuresOf = (points: Iterable<TelemetryPoint>, hourAtMs: number): HourFigures =>
  hourFiguresOf({ lift: LIFT, hourAtMs, points: [...points] })

/** Plays, then lets everything become quiet. `expected` are the figures of all samples, for each hour that one takes part in. */
export function playHours(play: Play, rules: Rules = {}): { readonly stored: Figures; readonly expected: Figures } {
  const world = new World(play, rules)
  const begin = (worker: number) => [storing(world, worker), computing(world, worker)] as const
  const workers: Steps[] = [...begin(0), ...begin(1)]
  const states = new Map<Steps, string>()
  const step = (who: number): void => {
    const steps = workers[who]
    if (steps !== undefined) states.set(steps, steps.next().value)
  }
  const restart = (worker: number): void => {
    const [store, compute] = [workers[2 * worker], workers[2 * worker + 1]]
    if (compute !== undefined && states.get(compute) === 'mayNotDie') return
    if (store !== undefined) workers.splice(2 * worker, 2, ...begin(worker))
  }
  const make = (move: Move): void => {
    if (move.kind === 'sample') world.sample(move.agoMs)
    else if (move.kind === 'step') for (let count = 0; count < move.count; count += 1) step(move.who)
    else if (move.kind === 'kill') restart(move.who)
    else if (move.kind === 'takeOver') world.holder = takeOver(world, workers, begin)
    else {
      world.timeMs += move.ms
      world.elapsedMs += move.kind === 'sleep' ? 0 : move.ms
    }
  }
  for (const move of play.moves) make(move)
  for (let round = 0; round < 70; round += 1) {
    for (let count = 0; count < 16; count += 1) for (let who = 0; who < workers.length; who += 1) step(who)
    make({ kind: 'pass', ms: 180_000 })
  }
  const hours = new Set(world.journal.flatMap(hoursOf))
  return {
    stored: Object.fromEntries([...world.figures].sort(([a], [b]) => a - b)),
    expected: Object.fromEntries([...hours].sort((a, b) => a - b).map((at) => [at, figuresOf(world.journal, at)])),
  }
}

const hoursOf = ({ measurement, sampledAtMs }: TelemetryPoint): number[] =>
  measurement === 'status' || measurement === 'statistics' ? hoursOfSample(measurement, sampledAtMs) : []

/** The other worker begins behind the committed position; what the former one had begun goes on, beyond the first four places. */
function takeOver(world: World, workers: Steps[], begin: (worker: number) => readonly Steps[]): number {
  const next = 1 - world.holder
  workers.push(...workers.slice(2 * next, 2 * next + 2))
  workers.splice(2 * next, 2, ...begin(next))
  return next
}
