import type { Wire } from '#contract/wire'

/** The row of which `toWire` made this JSON: `…At` in RFC 3339 becomes `…AtMs` again. */
export function fromWire<T>(wire: Wire<T>): T {
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) =>
        key === 'at' || key.endsWith('At')
          ? [`${key}Ms`, typeof inner === 'string' ? Date.parse(inner) : null]
          : [key, convert(inner)],
      ),
    )
  }
  // The inverse of `toWire`, checked against it by a property test.
  return convert(wire) as T
}
