/** What the platform is missing now: own checks every few seconds, merged with what other parts say on the bus. */
import type { PlatformHealth } from '#contract/live'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import { failingParts, type PartCheck } from './part-checks.ts'

const HEALTH_PERIOD_MS = 5_000
/** A part that said something and is then silent for this long is missing. */
export const PART_SILENCE_MS_MAX = 20_000
/** Parts without which the wall shows yesterday: missing too when they were never heard. They speak on the bus every 5 s. */
const AWAITED_PARTS = ['ingest']
/** Most parts that are listened to; more are ignored. */
const PARTS_MAX = 64

type Degraded = PlatformHealth['degraded']
/**
 * What a part said last, or one of the processes that it runs in. A part that is awaited and was not heard yet counts as
 * heard when this began.
 */
type Said = {
  readonly part: string
  readonly heardAtMs: number
  readonly startedAtMs: number | undefined
  readonly degraded: Degraded
  readonly isHeard: boolean
}

export interface Health extends AsyncDisposable {
  /** What is known now, without asking anybody. */
  now(): PlatformHealth
  /**
   * Runs the checks of this process; returns what failed and which parts are silent. Questions that come meanwhile share
   * the answer.
   */
  check(): Promise<Degraded>
  onChanged(listener: (health: PlatformHealth) => void): void
  /** Calls the listener when a part began anew: what it said before and meanwhile may not have come here. */
  onRestarted(listener: (part: string) => void): void
}

export async function openHealth(o: {
  checks: readonly PartCheck[]
  bus: Bus
  log: Log
  nowMs: () => number
  periodMs?: number
}): Promise<Health> {
  const { nowMs } = o
  let own: Degraded = []
  const openedAtMs = nowMs()
  const others = new Map<string, Said>(
    AWAITED_PARTS.map((part) => [
      part,
      { part, heardAtMs: openedAtMs, startedAtMs: undefined, degraded: [], isHeard: false },
    ]),
  )
  const listeners: ((health: PlatformHealth) => void)[] = []
  const restartListeners: ((part: string) => void)[] = []
  let told = ''
  let running: Promise<Degraded> | undefined

  const now = (): PlatformHealth => ({
    atMs: nowMs(),
    degraded: mergeDegraded([own, ...saidBy(others.values(), nowMs())]),
  })
  const tell = () => {
    const health = now()
    const text = JSON.stringify(health.degraded.map(({ part, reason }) => [part, reason]))
    if (text === told) return
    told = text
    for (const listener of listeners) listener(health)
  }
  const check = async () => {
    running ??= runChecks(o.checks, own, nowMs)
      .then((degraded) => (own = degraded))
      .finally(() => (running = undefined))
    await running
    return mergeDegraded([own, ...silencesOf(others.values(), nowMs())])
  }

  const subscription = await o.bus.subscribe('health', ({ part, worker, degraded, startedAtMs }) => {
    tell() // a silence that somebody who came meanwhile was shown: only then is its end a change
    const name = worker === undefined ? part : `${part} ${worker}`
    const known = others.get(name)
    forgetReplaced(others, part, nowMs())
    if (known === undefined && others.size >= PARTS_MAX) return
    const heard = { heardAtMs: nowMs(), startedAtMs: startedAtMs ?? known?.startedAtMs, isHeard: true }
    others.set(name, { part, degraded, ...heard })
    // One that was not heard before may have run all the while; whatever it was asked for at our start, it heard.
    const beganAnew = startedAtMs !== undefined && startedAtMs !== known?.startedAtMs
    if (beganAnew && (known?.startedAtMs !== undefined || startedAtMs > openedAtMs))
      for (const listener of restartListeners) listener(part)
    tell()
  })
  const timer = setInterval(() => void check().then(tell), o.periodMs ?? HEALTH_PERIOD_MS)
  timer.unref()
  await check()
  tell()
  return {
    now,
    check,
    onChanged: (listener) => void listeners.push(listener),
    onRestarted: (listener) => void restartListeners.push(listener),
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await subscription[Symbol.asyncDispose]()
      await running
    },
  }
}

const isSilent = ({ heardAtMs }: Said, atMs: number): boolean => atMs - heardAtMs > PART_SILENCE_MS_MAX

/** A part of which one process speaks has replaced those that do not any more; one that was only awaited is there. */
function forgetReplaced(others: Map<string, Said>, part: string, atMs: number): void {
  for (const [name, said] of others)
    if (said.part === part && (!said.isHeard || isSilent(said, atMs))) others.delete(name)
}

/** A line for each part of which no process was heard for too long. */
function silencesOf(others: Iterable<Said>, atMs: number): Degraded[] {
  const newest = new Map<string, Said>()
  for (const said of others)
    if (said.heardAtMs >= (newest.get(said.part)?.heardAtMs ?? -Infinity)) newest.set(said.part, said)
  return [...newest.values()]
    .filter((said) => isSilent(said, atMs))
    .map(({ part, heardAtMs, isHeard }) => [
      { part, reason: isHeard ? 'no sign of life' : 'no sign of life since the API began', sinceAtMs: heardAtMs },
    ])
}

/** What the processes that speak say they are missing, and the parts that are silent. */
function saidBy(others: Iterable<Said>, atMs: number): Degraded[] {
  const all = [...others]
  const speaking = all.filter((said) => !isSilent(said, atMs))
  return [...speaking.map(({ degraded }) => degraded), ...silencesOf(all, atMs)]
}

/** One line for each part that is missing: the first reason, the earliest time. */
export function mergeDegraded(lists: readonly Degraded[]): Degraded {
  const byPart = new Map<string, Degraded[number]>()
  for (const row of lists.flat()) {
    const known = byPart.get(row.part)
    byPart.set(row.part, known === undefined ? row : { ...known, sinceAtMs: Math.min(known.sinceAtMs, row.sinceAtMs) })
  }
  return [...byPart.values()].sort((a, b) => a.part.localeCompare(b.part))
}

async function runChecks(checks: readonly PartCheck[], before: Degraded, nowMs: () => number): Promise<Degraded> {
  const failing = await failingParts(checks)
  return failing.map(({ part, reason }) => {
    const known = before.find((row) => row.part === part)
    return { part, reason, sinceAtMs: known?.sinceAtMs ?? nowMs() }
  })
}
