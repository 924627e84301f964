/**
 * Stores a past that was made and not heard: points, and figures of its hours from all statuses, also from those that are
 * not kept. Nothing is detected in it: an alarm of last week helps nobody.
 *
 * Taking the same past again stores the same points and figures again.
 */
import { setImmediate } from 'node:timers/promises'
import { HOUR_MS, hourStartMs } from '#contract/calendar'
import type { HourFigures } from '#contract/figures'
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { Connection, Message, Statistics, Status } from '#contract/telemetry'
import type { LiftHour, Register } from '#storage/register/register'
import { STALE_HOURS_MAX } from '#storage/register/stale-hours'
import { hourFiguresOf, samplesOfHour } from '#storage/telemetry/hour-figures'
import {
  BATCH_POINTS_MAX,
  TelemetryStoreError,
  type TelemetryPoint,
  type TelemetryStore,
} from '#storage/telemetry/telemetry-store'
import type { Decoded } from './decode.ts'
import { pointOf } from './points.ts'
import { answerOfStore, storePauseMs } from './telemetry-wait.ts'
import { wait } from './wait.ts'

/** A store that is away longer than these tries take, about a minute, gets the past at another time. */
const TRIES_MAX = 15
/** Hours computed before others have their turn on this thread. */
const HOURS_AT_ONCE = 24

/** What one lift said in the past, each kind in order of time. */
export type LiftPast = {
  readonly lift: LiftId
  readonly serial: TerminalSerial
  readonly boot: number
  readonly birth: Connection
  readonly statuses: readonly Status[]
  readonly statistics: readonly Statistics[]
  readonly messages: readonly Message[]
  /** Of every status, kept or not; NaN where nothing was measured. */
  readonly looks: Readonly<Record<'atMs' | 'seq' | 'serviceMode' | 'vibrationMg', Float64Array>>
}
export type TakenHistory = { readonly liftCount: number; readonly pointCount: number; readonly hourCount: number }

type Options = {
  readonly pasts: AsyncIterable<LiftPast>
  /** The last instant, excluded. Figures are stored of the hours that ended by then. */
  readonly untilMs: number
  /** Samples before it are not stored: the store would remove them at once. */
  readonly keptFromMs: number
  readonly telemetry: Pick<TelemetryStore, 'append' | 'putFigures'>
  readonly staleHours: Pick<Register['staleHours'], 'mark'>
  readonly onLift: (taken: TakenHistory) => void
  readonly signal: AbortSignal
}

/** Resolves when all of it is stored. Rejects as the store does when that stays away, and when the signal aborts. */
export async function takeHistory(o: Options): Promise<TakenHistory> {
  let taken: TakenHistory = { liftCount: 0, pointCount: 0, hourCount: 0 }
  const lifts: LiftId[] = []
  const waiting: HourFigures[] = []
  const putFigures = async (countMin: number): Promise<void> => {
    while (waiting.length >= countMin && waiting.length > 0) {
      const rows = waiting.splice(0, BATCH_POINTS_MAX)
      await keepTrying(o.signal, () => o.telemetry.putFigures(rows))
    }
  }
  for await (const past of o.pasts) {
    const all = pointsOf(past)
    const points = all.filter(({ sampledAtMs }) => sampledAtMs >= o.keptFromMs)
    for (let begin = 0; begin < points.length; begin += BATCH_POINTS_MAX)
      await keepTrying(o.signal, () => o.telemetry.append(points.slice(begin, begin + BATCH_POINTS_MAX)))
    const figures = await figuresOf(past, all, o.untilMs)
    waiting.push(...figures)
    await putFigures(BATCH_POINTS_MAX)
    lifts.push(past.lift)
    taken = {
      liftCount: taken.liftCount + 1,
      pointCount: taken.pointCount + points.length,
      hourCount: taken.hourCount + figures.length,
    }
    o.onLift(taken)
  }
  await putFigures(0)
  await markSeam(o, lifts)
  return taken
}

/** Messages that were received the moment they were said. */
function pointsOf(past: LiftPast): TelemetryPoint[] {
  const said = { lift: past.lift, terminal: past.serial, position: 0, unknownFieldCount: 0 }
  const points: TelemetryPoint[] = []
  const keep = (decoded: Decoded): void => {
    points.push(pointOf(decoded))
  }
  const { birth } = past
  if (birth.state === 'online') keep({ ...said, kind: 'connection', receivedAtMs: birth.atMs, body: birth })
  for (const body of past.statistics) keep({ ...said, kind: 'statistics', receivedAtMs: body.sampledAtMs, body })
  for (const body of past.messages) keep({ ...said, kind: 'message', receivedAtMs: body.occurredAtMs, body })
  for (const body of past.statuses) keep({ ...said, kind: 'status', receivedAtMs: body.sampledAtMs, body })
  return points
}

/** Of each hour that is over, from all statuses. Others have their turn in between. */
async function figuresOf(past: LiftPast, points: readonly TelemetryPoint[], untilMs: number): Promise<HourFigures[]> {
  const { lift } = past
  const readings = points.filter(({ measurement }) => measurement === 'statistics')
  const ofStatuses = new Window(past.looks.atMs)
  const ofReadings = new Window(readings.map(({ sampledAtMs }) => sampledAtMs))
  const figures: HourFigures[] = []
  const [firstAtMs = untilMs] = past.looks.atMs
  for (let hourAtMs = hourStartMs(firstAtMs); hourAtMs + HOUR_MS <= untilMs; hourAtMs += HOUR_MS) {
    const ranges = samplesOfHour(hourAtMs)
    const statuses = statusPointsOf(past, ofStatuses.within(ranges.status))
    const { from, to } = ofReadings.within(ranges.statistics)
    figures.push(hourFiguresOf({ lift, hourAtMs, points: [...statuses, ...readings.slice(from, to)] }))
    if (figures.length % HOURS_AT_ONCE === 0) await setImmediate()
  }
  return figures
}

/** What figures need of the statuses of a stretch, made when it is asked for: of a month they are twenty thousand points. */
function statusPointsOf({ lift, boot, looks }: LiftPast, { from, to }: { from: number; to: number }): TelemetryPoint[] {
  const points: TelemetryPoint[] = []
  for (let index = from; index < to; index += 1) {
    const sampledAtMs = looks.atMs[index] ?? 0
    const serviceMode = looks.serviceMode[index] ?? Number.NaN
    const vibrationMg = looks.vibrationMg[index] ?? Number.NaN
    const fields = Number.isNaN(vibrationMg) ? { serviceMode } : { serviceMode, vibrationMg }
    const seq = looks.seq[index] ?? 0
    points.push({ measurement: 'status', lift, sampledAtMs, boot, seq, receivedAtMs: sampledAtMs, fields })
  }
  return points
}

/** Instants in order, of which stretches are wanted that begin later and later. */
class Window {
  readonly #atMs: ArrayLike<number>
  #from = 0

  constructor(atMs: ArrayLike<number>) {
    this.#atMs = atMs
  }

  /** The first of them within, and the first after it. */
  within({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): { from: number; to: number } {
    while ((this.#atMs[this.#from] ?? Infinity) < fromMs) this.#from += 1
    let to = this.#from
    while ((this.#atMs[to] ?? Infinity) < toMs) to += 1
    return { from: this.#from, to }
  }
}

/**
 * The hour in which the past ends and the one before it are computed by whoever computes the hours of live samples, maybe
 * while the past was not yet stored: they are marked to be computed once more.
 */
async function markSeam({ staleHours, untilMs }: Options, lifts: readonly LiftId[]): Promise<void> {
  const hourAtMs = hourStartMs(untilMs)
  const hours = lifts.flatMap((lift): LiftHour[] => [
    { lift, hourAtMs: hourAtMs - HOUR_MS },
    { lift, hourAtMs },
  ])
  for (let begin = 0; begin < hours.length; begin += STALE_HOURS_MAX)
    await staleHours.mark(hours.slice(begin, begin + STALE_HOURS_MAX))
}

async function keepTrying(signal: AbortSignal, store: () => Promise<void>): Promise<void> {
  for (let tryCount = 0; ; tryCount += 1) {
    signal.throwIfAborted()
    try {
      return await answerOfStore(store(), signal)
    } catch (error) {
      const isAway = error instanceof TelemetryStoreError && error.kind === 'away'
      if (!isAway || tryCount === TRIES_MAX) throw error
      await wait(storePauseMs(tryCount, error.retryAfterMs), signal)
    }
  }
}
