/** The files that samples are exported as. Pure: text of a header, and text of each sample. */
import { dayLabel, dayStartMs, isInCalendar } from '#contract/calendar'
import { FIELD_UNITS, MEASUREMENTS, type Measurement } from '#contract/history'
import { toLine } from '#storage/telemetry/influx-line'
import { HEADER_FIELDS, type TelemetryPoint } from '#storage/telemetry/telemetry-store'

export type ExportFormat = {
  readonly contentType: string
  readonly extension: string
  header(measurement: Measurement): string
  /** One sample, with the line break that ends it. */
  row(point: TelemetryPoint): string
}

/** Excel takes a file for UTF-8 only when it begins so. */
export const BYTE_ORDER_MARK = '\uFEFF'
export const CRLF = '\r\n'
/** RFC 4180 wants the first four; the others are what some programs take for the border of a cell. */
const NEEDS_QUOTES = /[",\r\n;\t]|^\s|\s$/
/** What a spreadsheet takes for the begin of a formula, in both widths. */
const FORMULA_BEGIN = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/
/** The label of a basement is a number like any other. */
const PLAIN_NUMBER = /^-?\d{1,15}(\.\d{1,15})?$/

const fieldsOf = (measurement: Measurement): string[] =>
  Object.keys(MEASUREMENTS[measurement]).filter((name) => !HEADER_FIELDS.has(name))
const FIELDS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.keys(MEASUREMENTS).map((name) => [name, fieldsOf(name as Measurement)]),
)

/**
 * A text that a spreadsheet would run as a formula gets an apostrophe in front, which makes it a text there; whoever
 * reads the file by program takes it off again. Numbers are never changed.
 */
export function csvCell(value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  if (typeof value !== 'string') return String(value)
  const safe = FORMULA_BEGIN.test(value) && !PLAIN_NUMBER.test(value) ? `'${value}` : value
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

const utc = (atMs: number): string => new Date(atMs).toISOString()

/** As spreadsheets read times: `2026-11-21 08:00:00.000`. Empty before 1992, when the zone was another. */
export function localTime(atMs: number): string {
  if (!isInCalendar(atMs)) return ''
  return `${dayLabel(atMs)} ${utc(atMs - dayStartMs(atMs)).slice(11, 23)}`
}

const csv: ExportFormat = {
  contentType: 'text/csv; charset=utf-8; header=present',
  extension: 'csv',
  header(measurement) {
    const fields = fieldsOf(measurement).map((name) =>
      FIELD_UNITS[name] === undefined ? name : `${name} [${FIELD_UNITS[name]}]`,
    )
    const own = ['lift', 'sampledAt [UTC]', 'sampledAt [Asia/Shanghai]', 'boot', 'seq', 'receivedAt [UTC]']
    return BYTE_ORDER_MARK + [...own, ...fields].map(csvCell).join(',') + CRLF
  },
  row({ measurement, lift, sampledAtMs, boot, seq, receivedAtMs, fields }) {
    let row = `${lift},${utc(sampledAtMs)},${localTime(sampledAtMs)},${boot},${seq},${utc(receivedAtMs)}`
    for (const name of FIELDS.get(measurement) ?? []) row += `,${csvCell(fields[name])}`
    return row + CRLF
  },
}

/** Written to an InfluxDB, the samples become the very points that our own store would have there. */
const lineProtocol: ExportFormat = {
  contentType: 'text/plain; charset=utf-8',
  extension: 'lp',
  header: () => '',
  row: (point) => `${toLine(point)}\n`,
}

export const EXPORT_FORMATS = { csv, 'line-protocol': lineProtocol } as const satisfies Record<string, ExportFormat>
export type ExportFormatName = keyof typeof EXPORT_FORMATS
