/** The form of a scenario file: which keys there are and what each holds. What is wrong with a file is said in a sentence. */
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { parse, YAMLParseError } from 'yaml'

/** Longest file that is read, bytes. */
export const SCENARIO_BYTES_MAX = 64 * 1024
/** Most lifts of one scenario. */
export const SCENARIO_LIFTS_MAX = 300
const EVENTS_MAX = 1000

/** A file that is no scenario, or a scenario that cannot happen. The message says where and what in one sentence. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

/** Patterns, and what people should write. */
const DURATION = '^[0-9]{1,7} (s|min|h)( [0-9]{1,7} (s|min))?$'
const INSTANT = '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}$'
const HINTS: Readonly<Record<string, string>> = {
  [DURATION]: 'write a time as “90 s”, “4 min 30 s” or “2 h”',
  [INSTANT]: 'write it as “2026-03-04 10:00”',
}

const Duration = Type.String({ pattern: DURATION })
const Name = Type.String({ minLength: 1, maxLength: 60 })
const LiftNumber = Type.Integer({ minimum: 1, maximum: SCENARIO_LIFTS_MAX })
/** One of these; the first lift without any. */
const where = {
  lift: Type.Optional(LiftNumber),
  lifts: Type.Optional(Type.Array(LiftNumber, { minItems: 1, maxItems: SCENARIO_LIFTS_MAX })),
  compound: Type.Optional(Type.Integer({ minimum: 1 })),
}
const strict = { additionalProperties: false } as const

const RideInFile = Type.Object(
  {
    from: Name,
    to: Name,
    people: Type.Optional(Type.Integer({ minimum: 1, maximum: 8 })),
    boarding: Type.Optional(Duration),
  },
  strict,
)
const EventInFile = Type.Object(
  {
    at: Duration,
    ...where,
    fault: Type.Optional(Name),
    for: Type.Optional(Duration),
    rescue: Type.Optional(Type.Literal(true)),
    ride: Type.Optional(RideInFile),
  },
  strict,
)
const ExpectationInFile = Type.Object(
  { alarm: Name, ...where, after: Type.Optional(Duration), by: Duration, clearedBy: Type.Optional(Duration) },
  strict,
)
const ScenarioInFile = Type.Object(
  {
    zh: Type.String({ minLength: 1, maxLength: 40 }),
    en: Type.String({ minLength: 1, maxLength: 200 }),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 0x7fff_ffff })),
    starts: Type.Optional(Type.String({ pattern: INSTANT })),
    lasts: Duration,
    lifts: Type.Optional(LiftNumber),
    terminals: Type.Optional(Type.Array(Name, { maxItems: SCENARIO_LIFTS_MAX })),
    link: Type.Optional(Name),
    outages: Type.Optional(
      Type.Array(Type.Object({ at: Duration, for: Duration }, strict), { minItems: 1, maxItems: EVENTS_MAX }),
    ),
    events: Type.Array(EventInFile, { maxItems: EVENTS_MAX }),
    expect: Type.Array(ExpectationInFile, { maxItems: EVENTS_MAX }),
    allow: Type.Optional(Type.Array(Name, { maxItems: EVENTS_MAX })),
  },
  strict,
)
const validator = Compile(ScenarioInFile)

export type RideInFile = Static<typeof RideInFile>
export type EventInFile = Static<typeof EventInFile>
export type ExpectationInFile = Static<typeof ExpectationInFile>
export type WhereInFile = Pick<EventInFile, keyof typeof where>
export type ScenarioInFile = Static<typeof ScenarioInFile>

/** Reads the text of a file, as far as its form goes. Throws `ScenarioError`. */
export function parseScenario(text: string): ScenarioInFile {
  if (Buffer.byteLength(text) > SCENARIO_BYTES_MAX)
    throw new ScenarioError(`The file is longer than ${SCENARIO_BYTES_MAX} bytes.`)
  const parsed = withTerminalList(parseYaml(text))
  if (validator.Check(parsed)) return parsed
  const [first] = validator.Errors(parsed)
  throw new ScenarioError(first === undefined ? 'The file is no scenario.' : sentenceOf(first))
}

function parseYaml(text: string): unknown {
  try {
    // Without aliases a small text cannot become a huge object.
    return parse(text, { maxAliasCount: 0, logLevel: 'error' })
  } catch (error) {
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new ScenarioError(`${line === undefined ? 'The file' : `Line ${line}`} is no YAML: ${reason}`)
  }
}

/** One kind of terminal for all lifts may stand without brackets. */
function withTerminalList(parsed: unknown): unknown {
  if (typeof parsed !== 'object' || parsed === null || !('terminals' in parsed)) return parsed
  return typeof parsed.terminals === 'string' ? { ...parsed, terminals: [parsed.terminals] } : parsed
}

type Flaw = {
  readonly keyword: string
  readonly instancePath: string
  readonly message: string
  readonly params: object
}

/** `events[0].at: …` */
function sentenceOf({ keyword, instancePath, message, params }: Flaw): string {
  const place = instancePath
    .slice(1)
    .replaceAll(/\/([0-9]+)/g, '[$1]')
    .replaceAll('/', '.')
  const reason = reasonOf(keyword, params) ?? message
  return `${place === '' ? 'The file' : place}: ${reason}.`
}

function reasonOf(keyword: string, params: object): string | undefined {
  if (keyword === 'required' && 'requiredProperties' in params) return `${quoted(params.requiredProperties)} is missing`
  // Keys that are not in the form have a schema that nothing fits.
  if (keyword === 'boolean') return 'there is no such key'
  if (keyword === 'pattern' && 'pattern' in params) return HINTS[String(params.pattern)]
  return undefined
}

const quoted = (names: unknown): string => (Array.isArray(names) ? names.map((name) => `“${name}”`).join(' and ') : '')
