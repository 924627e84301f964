/** A recorded payload as it is said again: at another time, after another start, perhaps by another terminal. Pure. */
import type { MessageKind } from '#contract/topics'

/** The field of each kind that says when. */
const TIME_FIELDS = {
  status: 'sampledAtMs',
  statistics: 'sampledAtMs',
  message: 'occurredAtMs',
  connection: 'atMs',
} as const satisfies Record<MessageKind, string>

export type Rewriting = {
  readonly kind: MessageKind
  /** Added to every time. */
  readonly shiftMs: number
  /** The new number of a recorded start. */
  readonly newBoot: (boot: number) => number
  /** Who says it now. */
  readonly serial: string
}

/** Everything else stays as it was, in the order in which it was. Undefined for what is no JSON object. */
export function rewritten(payload: string, { kind, shiftMs, newBoot, serial }: Rewriting): string | undefined {
  const body = parsed(payload)
  if (body === undefined) return undefined
  const { boot } = body
  if (typeof boot === 'number') body['boot'] = newBoot(boot)
  const timeField = TIME_FIELDS[kind]
  const atMs = body[timeField]
  if (typeof atMs === 'number') body[timeField] = atMs + shiftMs
  if (kind === 'connection') body['terminal'] = serial
  return JSON.stringify(body)
}

/** The start after which it was said; undefined when it does not say. */
export function bootOf(payload: string): number | undefined {
  const boot = parsed(payload)?.['boot']
  return typeof boot === 'number' ? boot : undefined
}

function parsed(payload: string): Record<string, unknown> | undefined {
  try {
    const body: unknown = JSON.parse(payload)
    return isObject(body) ? body : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export type ReplaySpeed = number | 'max'

/**
 * By how much all times of a recording from `fromMs` to `toMs` are shifted when it begins at `beginAtMs`: the same for all, and
 * so that no message lies in the future when it is sent. At speed 1 each is sent at its own time; played faster, the last one
 * is; played slower, the first.
 */
export function shiftOf(o: { fromMs: number; toMs: number; beginAtMs: number; speed: ReplaySpeed }): number {
  const { fromMs, toMs, beginAtMs, speed } = o
  const lastsMs = toMs - fromMs
  const takesMs = speed === 'max' ? 0 : lastsMs / speed
  return Math.floor(beginAtMs - fromMs + Math.min(0, takesMs - lastsMs))
}

/** New numbers for the starts of one terminal: in the order of the old ones, from `firstBoot` on. */
export function newBoots(boots: readonly number[], firstBoot: number): (boot: number) => number {
  const numbers = new Map(boots.map((boot, index) => [boot, firstBoot + index]))
  return (boot) => numbers.get(boot) ?? firstBoot
}
