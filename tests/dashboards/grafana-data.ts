/**
 * The real `@grafana/data`, and what Grafana does between an answer of InfluxDB and the text on a panel: frames as its data
 * source makes them, the defaults and overrides of the panel laid upon them.
 */
import { createRequire } from 'node:module'
import type { DataFrame, Field, FieldConfig, ThresholdsConfig } from '@grafana/data'
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard'

// Browsers and newer versions of Node have it; the library reads it when it lists its units.
if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { language: 'zh-CN', languages: ['zh-CN'] } })
// Its ES module build does not load in Node, its CommonJS build does.
export const grafana = createRequire(import.meta.url)('@grafana/data') as typeof import('@grafana/data')
const theme = grafana.createTheme()

export type Target = {
  readonly refId: string
  readonly query: string
  readonly resultFormat: 'time_series' | 'table'
  readonly alias?: string
}
export type Series = {
  readonly name: string
  readonly columns: readonly string[]
  readonly tags?: Readonly<Record<string, string>>
  readonly values: readonly (readonly unknown[])[]
}
export type Answer = {
  readonly error?: string
  readonly results: readonly { readonly error?: string; readonly series?: readonly Series[] }[]
}

const targetsOf = (panel: Panel) => (panel.targets ?? []) as unknown as readonly Target[]
export { targetsOf }

const typeOf = (values: readonly unknown[]) => {
  const value = values.find((one) => one !== null)
  const { FieldType } = grafana
  return typeof value === 'boolean'
    ? FieldType.boolean
    : typeof value === 'number'
      ? FieldType.number
      : FieldType.string
}
const column = (series: Series, index: number) => series.values.map((row) => row[index])

/** One frame for each series, or one frame with all rows when a table is asked for; the tag is a column of it. */
export function toFrames(target: Target, answer: Answer): DataFrame[] {
  const all = answer.results.flatMap(({ series = [] }) => series)
  if (target.resultFormat === 'table') return all.length === 0 ? [] : [toTable(target, all)]
  return all.map((series) => {
    const values = column(series, 1)
    const name = target.alias ?? `${series.name}.${series.columns[1]}`
    return grafana.createDataFrame({
      refId: target.refId,
      name,
      fields: [
        { name: 'Time', type: grafana.FieldType.time, values: column(series, 0).map((at) => Date.parse(String(at))) },
        { name: 'Value', type: typeOf(values), values, config: { displayNameFromDS: name } },
      ],
    })
  })
}

function toTable({ refId }: Target, all: readonly Series[]): DataFrame {
  const [first] = all
  if (first === undefined) throw new Error('a table has at least one series')
  const tags = Object.keys(first.tags ?? {}).map((tag) => ({
    name: tag,
    type: grafana.FieldType.string,
    values: all.flatMap((series) => series.values.map(() => series.tags?.[tag])),
  }))
  const fields = first.columns.map((name, index) => {
    const values = all.flatMap((series) => column(series, index))
    return name === 'time'
      ? { name: 'Time', type: grafana.FieldType.time, values: values.map((at) => Date.parse(String(at))) }
      : { name, type: typeOf(values), values }
  })
  return grafana.createDataFrame({ refId, fields: [...fields.slice(0, 1), ...tags, ...fields.slice(1)] })
}

/** Steps as Grafana holds them in memory: the file's null is minus infinity there. */
const toThresholds = (thresholds: unknown): ThresholdsConfig => {
  const { mode, steps } = thresholds as {
    mode: ThresholdsConfig['mode']
    steps: { value: number | null; color: string }[]
  }
  return { mode, steps: steps.map(({ value, color }) => ({ value: value ?? -Infinity, color })) }
}

/** The overrides of a panel that speak of a field. */
export function overridesOf(panel: Panel, field: Field, frame: DataFrame, frames: DataFrame[]) {
  return (panel.fieldConfig?.overrides ?? []).filter(({ matcher }) =>
    grafana.fieldMatchers.get(matcher.id).get(matcher.options)(field, frame, frames),
  )
}

/** Puts the defaults and overrides of a panel on the fields of its frames, and gives each its display. */
export function dress(panel: Panel, frames: DataFrame[]): DataFrame[] {
  const config = (name: string) =>
    new Set(['displayName', 'unit', 'decimals', 'mappings', 'thresholds', 'color', 'links']).has(name)
  for (const frame of frames)
    for (const field of frame.fields) {
      const own: Record<string, unknown> = {}
      for (const { properties } of overridesOf(panel, field, frame, frames))
        for (const { id, value } of properties) if (config(id)) own[id] = value
      const merged: Record<string, unknown> = { ...field.config, ...panel.fieldConfig?.defaults, ...own }
      if (merged['thresholds'] !== undefined) merged['thresholds'] = toThresholds(merged['thresholds'])
      field.config = merged as FieldConfig
    }
  for (const frame of frames)
    for (const field of frame.fields)
      field.display = grafana.getDisplayProcessor({ field, theme, timeZone: 'Asia/Shanghai' })
  return frames
}

/** What a person reads in one field of a dressed frame. */
export function read(field: Field, row: number): { text: string; color: string | undefined } {
  const shown = field.display?.(field.values[row])
  if (shown === undefined) throw new Error(`${field.name} was not dressed`)
  return { text: grafana.formattedValueToString(shown).trim(), color: shown.color }
}

/** The values of a stat panel, as title and text. */
export function factsOf(
  panel: Panel,
  frames: DataFrame[],
): Record<string, { text: string; color: string | undefined }> {
  const { reduceOptions } = panel.options as { reduceOptions: { calcs: string[]; fields?: string; values?: boolean } }
  const values = grafana.getFieldDisplayValues({
    data: dress(panel, frames),
    reduceOptions,
    fieldConfig: { defaults: {}, overrides: [] },
    replaceVariables: (text: string) => text,
    theme,
    timeZone: 'Asia/Shanghai',
  })
  return Object.fromEntries(
    values.map(({ display }) => [
      display.title ?? '',
      { text: grafana.formattedValueToString(display).trim(), color: display.color },
    ]),
  )
}
