/** What the platform is missing now: own checks every few seconds, merged with what other parts say on the bus. */
import type { PlatformHealth } from '#contract/live'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'

export const HEALTH_PERIOD_MS = 5_000
/** A check that takes longer counts as failed. */
export const CHECK_MS_MAX = 2_000
/** A part that said something and is then silent for this long is missing. */
export const PART_SILENCE_MS_MAX = 20_000
/** Most parts that are listened to; more are ignored. */
const PARTS_MAX = 64

export type PartCheck = { readonly part: string; readonly check: () => Promise<void> }
type Degraded = PlatformHealth['degraded']

export interface Health extends AsyncDisposable {
  /** What is known now, without asking anybody. */
  now(): PlatformHealth
  /** Runs the checks of this process and returns what failed. Questions that come meanwhile share the answer. */
  check(): Promise<Degraded>
  onChanged(listener: (health: PlatformHealth) => void): void
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
  const others = new Map<string, { heardAtMs: number; degraded: Degraded }>()
  const listeners: ((health: PlatformHealth) => void)[] = []
  let told = ''
  let running: Promise<Degraded> | undefined

  const now = (): PlatformHealth => ({
    atMs: nowMs(),
    degraded: mergeDegraded([own, ...[...others].map(([part, said]) => partDegraded(part, said, nowMs()))]),
  })
  const tell = () => {
    const health = now()
    const text = JSON.stringify(health.degraded.map(({ part, reason }) => [part, reason]))
    if (text === told) return
    told = text
    for (const listener of listeners) listener(health)
  }
  const check = () => {
    running ??= runChecks(o.checks, own, nowMs)
      .then((degraded) => (own = degraded))
      .finally(() => (running = undefined))
    return running
  }

  const subscription = await o.bus.subscribe('health', ({ part, degraded }) => {
    if (!others.has(part) && others.size >= PARTS_MAX) return
    others.set(part, { heardAtMs: nowMs(), degraded })
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
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await subscription[Symbol.asyncDispose]()
      await running
    },
  }
}

function partDegraded(part: string, said: { heardAtMs: number; degraded: Degraded }, atMs: number): Degraded {
  const silent = atMs - said.heardAtMs > PART_SILENCE_MS_MAX
  return silent ? [{ part, reason: 'no sign of life', sinceAtMs: said.heardAtMs }] : said.degraded
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
  const results = await Promise.all(
    checks.map(async ({ part, check }) => {
      const reason = await withinMs(check, CHECK_MS_MAX)
      if (reason === undefined) return undefined
      return { part, reason, sinceAtMs: before.find((row) => row.part === part)?.sinceAtMs ?? nowMs() }
    }),
  )
  return results.filter((row) => row !== undefined)
}

async function withinMs(check: () => Promise<void>, msMax: number): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${msMax} ms`), msMax)
  })
  try {
    return await Promise.race([late, check().then(() => undefined, reasonOf)])
  } catch (error) {
    return reasonOf(error)
  } finally {
    clearTimeout(timer)
  }
}

/** The reason for people, without credentials that a driver may have put into its message. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return (text === '' ? 'failed' : text).replace(/\/\/[^\s/@]*@/g, '//').slice(0, 200)
}
