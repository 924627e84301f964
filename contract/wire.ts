/** Inside, instants are `…AtMs` (Unix ms, UTC); at the HTTP edge they are `…At`, RFC 3339 UTC. This is the one place that turns one into the other. */
import { Type, type Static, type TObject, type TSchema, type TUnsafe } from 'typebox'

type WireKey<K> = K extends 'atMs' ? 'at' : K extends `${infer Name}AtMs` ? `${Name}At` : K
type WireValue<K, V> = K extends 'atMs' | `${string}AtMs` ? (null extends V ? string | null : string) : Wire<V>

/** The type of a row as JSON carries it. */
export type Wire<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? Wire<Item>[]
    : { [K in keyof T as WireKey<K>]: WireValue<K, T[K]> }

const isInstant = (key: string) => key === 'atMs' || key.endsWith('AtMs')
const wireKey = (key: string) => (isInstant(key) ? key.slice(0, -2) : key)

/** A row with its instants as RFC 3339 UTC text, through all levels. */
export function toWire<T>(row: T): Wire<T> {
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) =>
        isInstant(key)
          ? [wireKey(key), typeof inner === 'number' ? new Date(inner).toISOString() : null]
          : [key, convert(inner)],
      ),
    )
  }
  return convert(row) as Wire<T>
}

/** The JSON Schema of `toWire` of what the given object schema describes. */
export function wireSchema<T extends TObject>(schema: T): TUnsafe<Wire<Static<T>>> {
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert)
    if (value === null || typeof value !== 'object') return value
    const copy: Record<string, unknown> = {}
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'properties' && typeof inner === 'object' && inner !== null) {
        copy[key] = Object.fromEntries(
          Object.entries(inner as Record<string, Record<string, unknown>>).map(([name, property]) => {
            if (!isInstant(name)) return [name, convert(property)]
            const nullable = Array.isArray(property['anyOf'])
            const description = property['description']
            return [
              wireKey(name),
              {
                type: nullable ? ['string', 'null'] : 'string',
                format: 'date-time',
                ...(description === undefined ? {} : { description }),
              },
            ]
          }),
        )
      } else if (key === 'required' && Array.isArray(inner)) copy[key] = inner.map((name) => wireKey(String(name)))
      else copy[key] = convert(inner)
    }
    return copy
  }
  return Type.Unsafe<Wire<Static<T>>>(convert(schema) as TSchema)
}
