/** Rows for property tests, made from the schemas themselves: whatever the contract allows may come. */
import fc from 'fast-check'

type Schema = {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
}

/** The end of year 9999: RFC 3339 has four digits for the year. */
const INSTANT_MS_MAX = 253_402_300_799_999

/** Values that the schema accepts. `name` is the name of the property, because instants are known by it. */
export function arbitraryOf(given: object, name = ''): fc.Arbitrary<unknown> {
  const schema: Schema = given
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((option) => arbitraryOf(option, name)))
  switch (schema.type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer': {
      const isInstant = /(^at|At)Ms$/.test(name)
      return fc.integer({
        min: schema.minimum ?? (isInstant ? 0 : -1_000_000),
        max: isInstant ? INSTANT_MS_MAX : (schema.maximum ?? Number.MAX_SAFE_INTEGER),
      })
    }
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true })
    case 'string':
      return stringOf(schema)
    case 'array':
      return fc.array(arbitraryOf(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, (schema.minItems ?? 0) + 3),
      })
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(([key, inner]) => [key, arbitraryOf(inner, key)])
      return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: [...(schema.required ?? [])],
      })
    }
    default:
      throw new Error(`no rows can be made from ${JSON.stringify(schema)}`)
  }
}

function stringOf({ pattern, minLength = 0, maxLength = 24 }: Schema): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.string({ minLength, maxLength })
  return fc
    .stringMatching(new RegExp(pattern, 'u'), { maxLength })
    .filter((text) => text.length >= minLength && text.length <= maxLength)
}
