/** From a payload to a body of the contract, or the first thing that is wrong with it, in words. Total: never throws. */
import { Compile } from 'typebox/compile'
import type { TSchema } from 'typebox'
import { ConnectionOffline, ConnectionOnline, Message, STATUS_FIELDS, Statistics, Status } from '#contract/telemetry'
import type { Static } from 'typebox'
import type { MessageKind } from '#contract/topics'
import { quoted, type Words } from './words.ts'

/** What was read of a payload. `body` only when it is as the contract wants it. */
export type Reading = {
  readonly body:
    | { readonly kind: 'status'; readonly value: Status }
    | { readonly kind: 'statistics'; readonly value: Statistics }
    | { readonly kind: 'message'; readonly value: Message }
    | { readonly kind: 'online'; readonly value: Static<typeof ConnectionOnline> }
    | { readonly kind: 'offline'; readonly value: Static<typeof ConnectionOffline> }
    | undefined
  readonly fault: Words | undefined
  /** As far as they can be read, also of a payload that is wrong elsewhere. */
  readonly boot: number | undefined
  readonly seq: number | undefined
  /** When it was sampled, occurred or said, by the clock of the terminal. */
  readonly saidAtMs: number | undefined
  readonly unknownFields: readonly string[]
}

const shapeOf = <Schema extends TSchema>(schema: Schema, fields: readonly string[]) => ({
  validator: Compile(schema),
  fields: new Set(fields),
})
const shapes = {
  status: shapeOf(Status, Object.keys(Status.properties)),
  statistics: shapeOf(Statistics, Object.keys(Statistics.properties)),
  message: shapeOf(Message, Object.keys(Message.properties)),
  online: shapeOf(ConnectionOnline, Object.keys(ConnectionOnline.properties)),
  offline: shapeOf(ConnectionOffline, Object.keys(ConnectionOffline.properties)),
}
const snapshotFields: ReadonlySet<string> = new Set(Object.keys(STATUS_FIELDS))

const utf8 = new TextDecoder('utf-8', { fatal: true })
const UNREAD = { body: undefined, boot: undefined, seq: undefined, saidAtMs: undefined, unknownFields: [] } as const

/** Reads the payload of a topic whose last level is `kind`; undefined = the topic is none of the contract. */
export function readPayload(kind: MessageKind | undefined, payload: Uint8Array): Reading {
  const raw = parseObject(payload)
  if (raw === undefined)
    return { ...UNREAD, fault: { zh: '载荷不是 UTF-8 编码的 JSON 对象', en: 'the payload is no JSON object in UTF-8' } }
  const header = {
    boot: wholeNumber(raw['boot']),
    seq: wholeNumber(raw['seq']),
    saidAtMs: wholeNumber(raw['sampledAtMs'] ?? raw['occurredAtMs'] ?? raw['atMs']),
  }
  const shapeName = kind === 'connection' ? (raw['state'] === 'offline' ? 'offline' : 'online') : kind
  if (shapeName === undefined) return { ...header, body: undefined, fault: undefined, unknownFields: [] }
  const { fields } = shapes[shapeName]
  const snapshot = raw['snapshot']
  const unknownFields = [
    ...Object.keys(raw).filter((name) => !fields.has(name)),
    ...(kind === 'message' && isObject(snapshot)
      ? Object.keys(snapshot).filter((name) => !snapshotFields.has(name))
      : []),
  ]
  return { ...header, unknownFields, ...judge(shapeName, raw) }
}

function judge(name: keyof typeof shapes, raw: Record<string, unknown>): Pick<Reading, 'body' | 'fault'> {
  switch (name) {
    case 'status': {
      const { validator } = shapes.status
      return validator.Check(raw) ? sound({ kind: name, value: raw }) : wrong(validator.Errors(raw), raw)
    }
    case 'statistics': {
      const { validator } = shapes.statistics
      return validator.Check(raw) ? sound({ kind: name, value: raw }) : wrong(validator.Errors(raw), raw)
    }
    case 'message': {
      const { validator } = shapes.message
      return validator.Check(raw) ? sound({ kind: name, value: raw }) : wrong(validator.Errors(raw), raw)
    }
    case 'online': {
      const { validator } = shapes.online
      return validator.Check(raw) ? sound({ kind: name, value: raw }) : wrong(validator.Errors(raw), raw)
    }
    case 'offline': {
      const { validator } = shapes.offline
      return validator.Check(raw) ? sound({ kind: name, value: raw }) : wrong(validator.Errors(raw), raw)
    }
  }
}

const sound = (body: NonNullable<Reading['body']>) => ({ body, fault: undefined })

type SchemaError = { readonly keyword: string; readonly instancePath: string; readonly params: unknown }

function wrong(errors: readonly SchemaError[], raw: unknown): { body: undefined; fault: Words } {
  const [first] = errors
  return {
    body: undefined,
    fault: first === undefined ? { zh: '不符合约定', en: 'does not match the contract' } : errorWords(first, raw),
  }
}

/** One error of the schema as a sentence about the field. */
function errorWords({ keyword, instancePath, params }: SchemaError, raw: unknown): Words {
  const names = isObject(params) ? params : {}
  const field = instancePath.slice(1).replaceAll('/', '.')
  const value = quoted(valueAt(raw, instancePath))
  if (keyword === 'required') {
    const missing = Array.isArray(names['requiredProperties']) ? names['requiredProperties'].map(String) : []
    const place: Words = field === '' ? { zh: '', en: '' } : { zh: `${field} 中`, en: ` in ${field}` }
    return { zh: `${place.zh}缺少字段 ${missing.join('、')}`, en: `missing${place.en}: ${missing.join(', ')}` }
  }
  const is: Words = { zh: `字段 ${field} 为 ${value}`, en: `${field} is ${value}` }
  const limit = quoted(names['limit'] ?? names['allowedValue'] ?? names['allowedValues'] ?? names['pattern'])
  const type = quoted(names['type'])
  const table: Readonly<Record<string, Words>> = {
    type: { zh: `应为 ${type}`, en: `it must be of type ${type}` },
    const: { zh: `应为 ${limit}`, en: `it must be ${limit}` },
    enum: { zh: `应为 ${limit} 之一`, en: `it must be one of ${limit}` },
    minimum: { zh: `不得小于 ${limit}`, en: `it must be at least ${limit}` },
    maximum: { zh: `不得大于 ${limit}`, en: `it must be at most ${limit}` },
    minLength: { zh: `至少 ${limit} 个字符`, en: `it must have at least ${limit} characters` },
    maxLength: { zh: `至多 ${limit} 个字符`, en: `it must have at most ${limit} characters` },
    pattern: { zh: `应符合 ${limit}`, en: `it must match ${limit}` },
  }
  const rule = table[keyword] ?? { zh: `不符合约定（${keyword}）`, en: `it does not match the contract (${keyword})` }
  return { zh: `${is.zh}，${rule.zh}`, en: `${is.en}, ${rule.en}` }
}

function valueAt(raw: unknown, path: string): unknown {
  let at = raw
  for (const name of path.split('/').slice(1)) at = isObject(at) ? at[name] : undefined
  return at
}

function parseObject(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(payload))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const wholeNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
