/**
 * Samples of a state, folded into spans. Pure, and the one definition for all stores: a sample is believed until the
 * next one, at most for the allowed silence; of samples of one millisecond the last by boot and seq is believed; a span
 * is the longest stretch in which one value is believed. Times are Unix ms.
 */
import type { StateSpan, StateSpans, StateValue } from '#contract/history'

export type StateSample = {
  readonly atMs: number
  readonly boot: number
  readonly seq: number
  /** Undefined when the sample does not say. */
  readonly value: StateValue | undefined
}
export type SpanBounds = {
  readonly fromMs: number
  readonly toMs: number
  /** Spans of one answer. */
  readonly limit: number
  readonly silenceMs: number
  /** Samples that are looked at, those before the range and those that do not say among them. */
  readonly samplesMax: number
}
export interface SpanFold {
  /**
   * Takes the next sample; those of later milliseconds come later, those of one millisecond in any order. False when no
   * further sample is wanted.
   */
  take(sample: StateSample): boolean
  /** What was folded, when there are no more samples, or no more are wanted. */
  end(): StateSpans
}

type OpenSpan = { readonly fromMs: number; readonly value: StateValue; lastAtMs: number; sampleCount: number }
type Millisecond = StateSample & { readonly value: StateValue; readonly sampleCount: number }

/** The instant from which samples matter to a range: what is older is not believed any more when the range begins. */
export const believedFromMs = ({ fromMs, silenceMs }: Pick<SpanBounds, 'fromMs' | 'silenceMs'>): number =>
  fromMs - silenceMs + 1

export function newSpanFold({ fromMs, toMs, limit, silenceMs, samplesMax }: SpanBounds): SpanFold {
  const spans: StateSpan[] = []
  let open: OpenSpan | undefined
  let latest: Millisecond | undefined
  let takenCount = 0
  /** Where the answer ends before its range does. */
  let cutAtMs: number | undefined

  function close(untilMs: number): void {
    if (open === undefined) return
    const endMs = Math.min(open.lastAtMs + silenceMs, untilMs)
    const { fromMs: beginMs, value, sampleCount } = open
    if (endMs > beginMs) spans.push({ fromMs: beginMs, toMs: endMs, value, sampleCount })
    open = undefined
  }

  /** The millisecond is over: what its last sample said begins or goes on. */
  function settle(): void {
    if (latest === undefined) return
    const { atMs, value, sampleCount } = latest
    latest = undefined
    if (atMs < fromMs) {
      open = { fromMs, value, lastAtMs: atMs, sampleCount: 0 }
      return
    }
    if (open !== undefined && open.value === value && atMs <= open.lastAtMs + silenceMs) {
      open.lastAtMs = atMs
      open.sampleCount += sampleCount
      return
    }
    close(atMs)
    if (spans.length >= limit) cutAtMs = atMs
    else open = { fromMs: atMs, value, lastAtMs: atMs, sampleCount }
  }

  return {
    take(sample) {
      if (latest !== undefined && sample.atMs > latest.atMs) settle()
      if (cutAtMs !== undefined) return false
      if (takenCount >= samplesMax) {
        // What is left is of the millisecond of this sample, of which not everything was looked at.
        latest = undefined
        cutAtMs = Math.max(sample.atMs, fromMs)
        return false
      }
      takenCount += 1
      const { value } = sample
      if (value === undefined) return true
      if (latest === undefined) latest = { ...sample, value, sampleCount: 1 }
      else {
        const isLater = sample.boot - latest.boot || sample.seq - latest.seq
        latest = { ...(isLater > 0 ? { ...sample, value } : latest), sampleCount: latest.sampleCount + 1 }
      }
      return true
    },
    end() {
      if (cutAtMs === undefined) settle()
      const untilMs = cutAtMs ?? toMs
      close(untilMs)
      return { spans, isWhole: cutAtMs === undefined, untilMs }
    },
  }
}
