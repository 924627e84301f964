/** Points as InfluxDB line protocol. The only place that escapes for it. */
import { MEASUREMENTS, type FieldType, type Measurement } from '#contract/history'
import { HEADER_FIELDS, type TelemetryPoint } from './points.ts'

const NS_PER_MS = 1_000_000
/** A prime, so that neighbouring boots lie far apart within the millisecond. */
const BOOT_STRIDE = 7_919

const FIELDS: ReadonlyMap<Measurement, readonly (readonly [string, FieldType])[]> = new Map(
  (Object.keys(MEASUREMENTS) as Measurement[]).map((measurement) => [
    measurement,
    Object.entries(MEASUREMENTS[measurement]).filter(([name]) => !HEADER_FIELDS.has(name)),
  ]),
)

/**
 * One line. Measurements, field names and lift ids are plain words (checked before), so only string values need
 * escaping. A whole number of a `number` field is written like `1`, which InfluxDB takes as a float; integers end in `i`.
 */
export function toLine(point: TelemetryPoint): string {
  let line = `${point.measurement},lift=${point.lift} boot=${point.boot}i,seq=${point.seq}i,receivedAtMs=${point.receivedAtMs}i`
  for (const [name, type] of FIELDS.get(point.measurement) ?? []) {
    const value = point.fields[name]
    if (value === undefined) continue
    line += `,${name}=${typeof value === 'string' ? quoted(value) : type === 'integer' ? `${value}i` : value}`
  }
  return `${line} ${toNanoseconds(point)}`
}

/**
 * InfluxDB knows a point by measurement, lift and time alone, so boot and seq go into the time: below the millisecond
 * stands an offset made of the two. The same sample always gets the same nanosecond (a repeat overwrites itself), and
 * two samples of one boot in the same millisecond get different ones, because their seqs differ by less than a million.
 * Samples of two boots that fall into one millisecond share an offset once in a million times.
 */
export function toNanoseconds({ sampledAtMs, boot, seq }: { sampledAtMs: number; boot: number; seq: number }): string {
  // Both parts stay below 2^53; as text they need no 64-bit arithmetic.
  const offset = ((boot % NS_PER_MS) * BOOT_STRIDE + seq) % NS_PER_MS
  return `${sampledAtMs}${String(offset).padStart(6, '0')}`
}

/** Within quotes only `"` and `\` mean something; a line break is an ordinary character there. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
