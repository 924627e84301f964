/** What a check is, and the one way in which most of them judge: look at things one by one, keep the first that is wrong. */
import type { Course, Publication } from './course.ts'
import type { Fact } from './facts.ts'
import { printable, type Words } from './words.ts'

/** `must`: the platform or its alarms would suffer; `should`: better otherwise; `info`: only told. */
export type Severity = 'must' | 'should' | 'info'

/** What was seen of the first thing that is wrong, or worth telling. */
export type Evidence = Words & {
  /** Unix ms, clock of the kit; null when it is about something that did not happen. */
  readonly atMs: number | null
  readonly topic: string | null
  /** The first 200 bytes of the payload. */
  readonly excerpt: string | null
}

export type Verdict = {
  readonly state: 'passed' | 'failed' | 'notObserved' | 'noted'
  /** Things looked at, and how many of them were wrong. */
  readonly lookedAtCount: number
  readonly faultCount: number
  readonly evidence: Evidence | null
}

export type Check = Words & {
  readonly id: string
  /** Where the contract says so. */
  readonly clause: string
  readonly severity: Severity
  /**
   * What it means when it could not be judged: the whole is `incomplete`, or it is only `told`, because it hangs on what
   * the lift did or on the length of the run.
   */
  readonly unseen: 'incomplete' | 'told'
  /** What makes it seen, when it was not. */
  readonly hint: Words
  readonly judge: (course: Course) => Verdict
}

export const notObserved: Verdict = { state: 'notObserved', lookedAtCount: 0, faultCount: 0, evidence: null }

/** A fault of one thing: what is wrong, and which fact shows it (none for something that did not happen). */
export type Fault = { readonly words: Words; readonly fact: Fact | undefined }

/** Looks at each thing. Nothing to look at is not observed, never passed. */
export function judgeEach<T>(things: Iterable<T>, faultOf: (thing: T) => Fault | undefined): Verdict {
  let lookedAtCount = 0
  let faultCount = 0
  let first: Fault | undefined
  for (const thing of things) {
    lookedAtCount += 1
    const fault = faultOf(thing)
    if (fault === undefined) continue
    faultCount += 1
    first ??= fault
  }
  if (lookedAtCount === 0) return notObserved
  return {
    state: faultCount === 0 ? 'passed' : 'failed',
    lookedAtCount,
    faultCount,
    evidence: first === undefined ? null : evidenceOf(first),
  }
}

/** Something that is told and neither good nor bad. */
export const noted = (lookedAtCount: number, words: Words, fact?: Fact): Verdict => ({
  state: 'noted',
  lookedAtCount,
  faultCount: 0,
  evidence: evidenceOf({ words, fact }),
})

const EXCERPT_BYTES = 200

function evidenceOf({ words, fact }: Fault): Evidence {
  const topic = fact?.what === 'publish' ? fact.topic : (will(fact)?.topic ?? null)
  const payload = fact?.what === 'publish' ? fact.payload : will(fact)?.payload
  return {
    ...words,
    atMs: fact?.atMs ?? null,
    topic: topic === null ? null : printable(topic, 256),
    excerpt:
      payload === undefined ? null : printable(payload.subarray(0, EXCERPT_BYTES).toString('utf8'), EXCERPT_BYTES),
  }
}

const will = (fact: Fact | undefined) => (fact?.what === 'connect' ? fact.packet.will : undefined)

/** Publications that carry a boot and a number and were not said before, in groups of one boot, each in order of number. */
export function byBoot(publications: readonly Publication[]): Map<number, (Publication & { readonly seq: number })[]> {
  const boots = new Map<number, (Publication & { readonly seq: number })[]>()
  for (const publication of publications) {
    const { boot, seq } = publication
    if (publication.isRepeat || boot === undefined || seq === undefined) continue
    const group = boots.get(boot) ?? []
    group.push({ ...publication, seq })
    boots.set(boot, group)
  }
  for (const group of boots.values()) group.sort((a, b) => a.seq - b.seq || a.index - b.index)
  return boots
}

/** Each thing with the one before it. */
export function* pairs<T>(things: readonly T[]): Generator<readonly [T, T]> {
  for (let index = 1; index < things.length; index += 1) {
    const [before, after] = [things[index - 1], things[index]]
    if (before !== undefined && after !== undefined) yield [before, after]
  }
}
