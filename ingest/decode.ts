/** From a journal record to a message that the rest of ingest may trust, or the reason why it goes to quarantine. Total: never throws. */
import { Compile, type Validator } from 'typebox/compile'
import type { TSchema } from 'typebox'
import { refuse, type QuarantineReason, type Result } from '#contract/errors'
import { isTerminalSerial, type LiftId, type TerminalSerial } from '#contract/ids'
import {
  CODE_SETS,
  ConnectionOffline,
  ConnectionOnline,
  Message,
  SAMPLE_AGE_MS_MAX,
  SAMPLE_AHEAD_MS_MAX,
  STATUS_FIELDS,
  Statistics,
  Status,
  type Connection,
} from '#contract/telemetry'
import { PAYLOAD_BYTES_MAX, readDeviceTopic } from '#contract/topics'
import type { JournalRecord } from '#storage/journal/journal'

type Header = {
  readonly lift: LiftId
  readonly terminal: TerminalSerial
  readonly position: number
  readonly receivedAtMs: number
  /** Fields that the contract does not know; they were dropped. */
  readonly unknownFieldCount: number
}
export type Decoded = Header &
  (
    | { readonly kind: 'status'; readonly body: Status }
    | { readonly kind: 'statistics'; readonly body: Statistics }
    | { readonly kind: 'message'; readonly body: Message }
    | { readonly kind: 'connection'; readonly body: Connection }
  )

const validators = {
  status: shape(Compile(Status), Object.keys(Status.properties)),
  statistics: shape(Compile(Statistics), Object.keys(Statistics.properties)),
  message: shape(Compile(Message), Object.keys(Message.properties)),
  online: shape(Compile(ConnectionOnline), Object.keys(ConnectionOnline.properties)),
  offline: shape(Compile(ConnectionOffline), Object.keys(ConnectionOffline.properties)),
}
const snapshotFields: ReadonlySet<string> = new Set(Object.keys(STATUS_FIELDS))
const codeSets: ReadonlySet<unknown> = new Set(CODE_SETS)

function shape<Schema extends TSchema>(validator: Validator<Record<never, never>, Schema>, fields: readonly string[]) {
  return { validator, fields: new Set(fields) }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Decodes one record. `nowMs` is not needed: the sample time is judged against the time of receipt, so a replay decides alike. */
export function decode(record: JournalRecord): Result<Decoded, QuarantineReason> {
  const target = readDeviceTopic(record.topic)
  if (target === undefined || !isTerminalSerial(record.terminal))
    return refuse('topic.unknown', record.topic.slice(0, 100))
  if (record.payload.length > PAYLOAD_BYTES_MAX) return refuse('payload.tooLarge', `${record.payload.length} bytes`)
  const json = parseObject(record.payload)
  if (!json.ok) return json
  const raw = json.value
  if (raw['v'] !== 1) return refuse('payload.version', `v = ${JSON.stringify(raw['v'])?.slice(0, 40) ?? 'missing'}`)
  if (target.kind === 'message' && !codeSets.has(raw['codeSet']))
    return refuse('payload.codeSet', `codeSet = ${JSON.stringify(raw['codeSet'])?.slice(0, 60) ?? 'missing'}`)

  const counted = { count: 0 }
  const header = {
    lift: target.lift,
    terminal: record.terminal,
    position: record.position,
    receivedAtMs: record.receivedAtMs,
  }
  const done = <Rest extends object>(rest: Rest) =>
    ({ ok: true, value: { ...header, unknownFieldCount: counted.count, ...rest } }) as const

  switch (target.kind) {
    case 'status': {
      const body = checked(validators.status, raw, counted)
      return body.ok
        ? (badTime(body.value.sampledAtMs, record) ?? done({ kind: 'status' as const, body: body.value }))
        : body
    }
    case 'statistics': {
      const body = checked(validators.statistics, raw, counted)
      return body.ok
        ? (badTime(body.value.sampledAtMs, record) ?? done({ kind: 'statistics' as const, body: body.value }))
        : body
    }
    case 'message': {
      const snapshot = raw['snapshot']
      if (isObject(snapshot)) raw['snapshot'] = pick(snapshot, snapshotFields, counted)
      const body = checked(validators.message, raw, counted)
      return body.ok
        ? (badTime(body.value.occurredAtMs, record) ?? done({ kind: 'message' as const, body: body.value }))
        : body
    }
    case 'connection': {
      const body = checkedConnection(raw, counted)
      if (!body.ok) return body
      if (body.value.terminal !== record.terminal)
        return refuse('lift.foreign', `says it is ${body.value.terminal}, signed in as ${record.terminal}`)
      if (body.value.state === 'online') {
        const refused = badTime(body.value.atMs, record)
        if (refused !== undefined) return refused
      }
      return done({ kind: 'connection' as const, body: body.value })
    }
  }
}

function checkedConnection(
  raw: Record<string, unknown>,
  counted: { count: number },
): Result<Connection, QuarantineReason> {
  return raw['state'] === 'offline'
    ? checked(validators.offline, raw, counted)
    : checked(validators.online, raw, counted)
}

function parseObject(payload: Uint8Array): Result<Record<string, unknown>, QuarantineReason> {
  try {
    const value: unknown = JSON.parse(utf8.decode(payload))
    return isObject(value) ? { ok: true, value } : refuse('payload.schema', 'must be a JSON object')
  } catch (error) {
    return refuse('payload.notJson', error instanceof Error ? error.message.slice(0, 200) : 'not JSON')
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The known fields alone. A field that the contract does not know must not silence the rest of the message. */
function pick(
  raw: Record<string, unknown>,
  fields: ReadonlySet<string>,
  counted: { count: number },
): Record<string, unknown> {
  const keys = Object.keys(raw)
  const unknown = keys.filter((key) => !fields.has(key))
  if (unknown.length === 0) return raw
  counted.count += unknown.length
  return Object.fromEntries(keys.filter((key) => fields.has(key)).map((key) => [key, raw[key]]))
}

function checked<Schema extends TSchema>(
  { validator, fields }: { validator: Validator<Record<never, never>, Schema>; fields: ReadonlySet<string> },
  raw: Record<string, unknown>,
  counted: { count: number },
) {
  const body: unknown = pick(raw, fields, counted)
  if (validator.Check(body)) return { ok: true, value: body } as const
  const [first] = validator.Errors(body)
  return refuse(
    'payload.schema',
    first === undefined ? 'does not match' : `${first.instancePath || '/'} ${first.message}`.slice(0, 200),
  )
}

function badTime(sampledAtMs: number, record: JournalRecord): Result<never, QuarantineReason> | undefined {
  const aheadMs = sampledAtMs - record.receivedAtMs
  if (aheadMs > SAMPLE_AHEAD_MS_MAX)
    return refuse('time.future', `${Math.round(aheadMs / 1000)} s ahead of the platform`)
  if (-aheadMs > SAMPLE_AGE_MS_MAX) return refuse('time.tooOld', `sampled ${new Date(sampledAtMs).toISOString()}`)
  return undefined
}
