/** The few kinds of panel that both dashboards are made of. */
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  LineInterpolation,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { PanelBuilder as BarGaugeBuilder } from '@grafana/grafana-foundation-sdk/bargauge'
import {
  FieldColorBuilder,
  FieldColorModeId,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type DynamicConfigValue,
  type ValueMap,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import type { Threshold } from '@grafana/data'
import { NEUTRAL, QUIET } from './colours.ts'
import { InfluxTarget, type InfluxQuery } from './influx-query.ts'
import { DATA_SOURCE, GAP_MS, NO_VALUE } from './layout.ts'
import { liftLink } from './links.ts'

/** What a value looks like: of every field of a panel, or of one field by its name. */
export type Look = {
  readonly unit?: string
  readonly decimals?: number
  readonly mapping?: ValueMap
  readonly thresholds?: readonly Threshold[]
}
type Frame = {
  readonly title: string
  readonly description: string
  readonly queries: readonly InfluxQuery[]
  /** Columns of 24, rows of some 36 px. */
  readonly width: number
  readonly height: number
  readonly look?: Look
  /** By the name of the field or series. */
  readonly looks?: Readonly<
    Record<string, Look & { readonly title?: string; readonly colour?: string; readonly link?: 'lift' }>
  >
  /** A range of its own, back from now, such as `30d`. */
  readonly range?: string
  /** Narrowest bucket, such as `1m`. */
  readonly bucket?: string
}

type AnyBuilder = StatBuilder | BarGaugeBuilder | StateTimelineBuilder | TableBuilder | TimeSeriesBuilder

/** What all kinds of panel have in common. */
function fill<B extends AnyBuilder>(builder: B, frame: Frame): B {
  const { look = {}, looks = {} } = frame
  builder
    .title(frame.title)
    .description(frame.description)
    .datasource(DATA_SOURCE)
    .targets(frame.queries.map((query, index) => new InfluxTarget(query, index)))
    .span(frame.width)
    .height(frame.height)
    .noValue(NO_VALUE)
    .unit(look.unit ?? 'none')
    .mappings(look.mapping === undefined ? [] : [look.mapping])
    .thresholds(thresholdsOf(look.thresholds ?? [{ value: -Infinity, color: NEUTRAL }]))
    .overrides(
      Object.entries(looks).map(([name, own]) => ({
        matcher: { id: 'byName', options: name },
        properties: propertiesOf(own),
      })),
    )
  if (look.decimals !== undefined) builder.decimals(look.decimals)
  if (frame.range !== undefined) builder.timeFrom(frame.range)
  if (frame.bucket !== undefined) builder.interval(frame.bucket)
  return builder
}

/** Grafana's files say null where its types say minus infinity, which JSON cannot. */
const toSteps = (thresholds: readonly Threshold[]) =>
  thresholds.map(({ value, color }) => ({ value: Number.isFinite(value) ? value : null, color }))
const thresholdsOf = (thresholds: readonly Threshold[]) =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(toSteps(thresholds))

function propertiesOf(own: NonNullable<Frame['looks']>[string]): DynamicConfigValue[] {
  const properties: DynamicConfigValue[] = []
  const put = (id: string, value: unknown) => void properties.push({ id, value })
  if (own.title !== undefined) put('displayName', own.title)
  if (own.unit !== undefined) put('unit', own.unit)
  if (own.decimals !== undefined) put('decimals', own.decimals)
  if (own.mapping !== undefined) put('mappings', [own.mapping])
  if (own.thresholds !== undefined) put('thresholds', { mode: ThresholdsMode.Absolute, steps: toSteps(own.thresholds) })
  if (own.colour !== undefined) put('color', { mode: FieldColorModeId.Fixed, fixedColor: own.colour })
  if (own.link === 'lift') put('links', [liftLink()])
  return properties
}

const legend = () =>
  new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
    .showLegend(true)
    .calcs([])
const allValues = () => new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi)
/** Numbers, booleans and texts. Without the exception the time would be shown as one more value. */
const ALL_BUT_TIME = '/^(?!Time$).*$/'
const newestOfAll = () => new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields(ALL_BUT_TIME).values(false)
/** Series that carry no priority are grey, the second one darker. */
const greys = ({ queries, looks = {} }: Frame) =>
  queries.flatMap(({ name }, index) =>
    name === undefined || looks[name]?.colour !== undefined
      ? []
      : [{ name, properties: propertiesOf({ colour: index === 0 ? NEUTRAL : QUIET }) }],
  )
const byThresholds = () => new FieldColorBuilder().mode(FieldColorModeId.Thresholds)

/** One large value for each query. */
export const facts = (frame: Frame): StatBuilder =>
  fill(new StatBuilder(), frame)
    .reduceOptions(newestOfAll())
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .textMode(BigValueTextMode.ValueAndName)
    .colorScheme(byThresholds())

/** One bar for each query. */
export const bars = (frame: Frame): BarGaugeBuilder =>
  fill(new BarGaugeBuilder(), frame)
    .reduceOptions(newestOfAll())
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .showUnfilled(false)
    .min(0)
    .colorScheme(byThresholds())

const overTime = (frame: Frame): TimeSeriesBuilder =>
  greys(frame).reduce(
    (builder, { name, properties }) => builder.overrideByName(name, properties),
    fill(new TimeSeriesBuilder(), frame).legend(legend()).tooltip(allValues()),
  )

/** Lines over time, broken where nothing was heard. */
export const lines = (frame: Frame): TimeSeriesBuilder =>
  overTime(frame)
    .drawStyle(GraphDrawStyle.Line)
    .lineInterpolation(LineInterpolation.StepAfter)
    .showPoints(VisibilityMode.Auto)
    .lineWidth(1)
    .spanNulls(GAP_MS)

/** Counts per bucket, one upon the other. */
export const columns = (frame: Frame): TimeSeriesBuilder =>
  overTime(frame)
    .drawStyle(GraphDrawStyle.Bars)
    .fillOpacity(70)
    .lineWidth(0)
    .stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
    .min(0)

/** States over time, one row for each query. */
export const states = (frame: Frame): StateTimelineBuilder =>
  fill(new StateTimelineBuilder(), frame)
    .legend(new VizLegendOptionsBuilder().displayMode(LegendDisplayMode.List).showLegend(false).calcs([]))
    .tooltip(allValues())
    .mergeValues(true)
    .showValue(VisibilityMode.Auto)
    .rowHeight(0.85)
    .fillOpacity(80)
    .lineWidth(0)
    .spanNulls(GAP_MS)
    .colorScheme(byThresholds())

/** Rows. */
export const rows = (frame: Frame & { readonly hidden?: readonly string[] }): TableBuilder =>
  (frame.hidden ?? []).reduce(
    (builder, name) => builder.overrideByName(name, [{ id: 'custom.hidden', value: true }]),
    fill(new TableBuilder(), frame).showHeader(true).filterable(true).colorScheme(byThresholds()),
  )
