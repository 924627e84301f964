import { readFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard'
import { FIELD_UNITS, MEASUREMENTS } from '#contract/history'
import { CODE_SETS } from '#contract/telemetry'
import { FAULTS } from '#contract/faults'
import { DASHBOARDS, DATABASE, DATA_SOURCE, PROVISIONING_FOLDER } from '#dashboards/grafana/layout'
import { buildProvisioning } from '#dashboards/grafana/provisioning'
import * as status from '#dashboards/grafana/queries/status'
import { unitOf } from '#dashboards/grafana/units'
import { DASHBOARD_SCHEMA } from './dashboard-schema.ts'
import { grafana, targetsOf } from './grafana-data.ts'

const files = buildProvisioning()
const dashboardOf = (uid: string) => JSON.parse(files[`dashboards/${uid}.json`] ?? '') as Dashboard
const dashboards = Object.values(DASHBOARDS).map(({ uid }) => [uid, dashboardOf(uid)] as const)
const panelsOf = (dashboard: Dashboard) => (dashboard.panels ?? []) as Panel[]
const panels = dashboards.flatMap(([uid, dashboard]) => panelsOf(dashboard).map((panel) => ({ uid, panel })))
const queries = [status.offeredLifts, ...panels.flatMap(({ panel }) => targetsOf(panel).map(({ query }) => query))]

describe('the provisioning files', () => {
  it.each(Object.keys(files))('%s is what the source makes of it', async (path) => {
    const file = new URL(`../../dashboards/grafana/provisioning/${path}`, import.meta.url)
    expect(await readFile(file, 'utf8'), `${path} is stale: run “npm run generate”`).toBe(files[path])
  })

  it('name the data source by the uid that the dashboards use, read-only in the interface, without a secret in the file', () => {
    const { datasources } = parse(files['datasources/tiwang.yaml'] ?? '') as { datasources: Record<string, unknown>[] }
    expect(datasources).toHaveLength(1)
    expect(datasources[0]).toMatchObject({
      ...DATA_SOURCE,
      editable: false,
      url: '$INFLUX_URL',
      user: '$INFLUX_READER',
      jsonData: { version: 'InfluxQL', dbName: DATABASE },
      secureJsonData: { password: '$INFLUX_READER_PASSWORD' },
    })
  })

  it('let nobody change or delete a dashboard in the interface', () => {
    const { providers } = parse(files['dashboards/tiwang.yaml'] ?? '') as { providers: Record<string, unknown>[] }
    expect(providers).toEqual([
      expect.objectContaining({
        type: 'file',
        allowUiUpdates: false,
        disableDeletion: true,
        options: { path: `${PROVISIONING_FOLDER}/dashboards`, foldersFromFilesStructure: false },
      }),
    ])
  })
})

describe.each(dashboards)('the dashboard %s', (uid, dashboard) => {
  const isDashboard = new Ajv({ strict: false, allErrors: true }).compile(DASHBOARD_SCHEMA)

  it('follows the classic schema and the rules of provisioned dashboards', () => {
    expect(isDashboard(dashboard), JSON.stringify(isDashboard.errors?.slice(0, 5), null, 1)).toBe(true)
    expect(dashboard.uid).toBe(uid)
  })

  it('would be refused with a number of its own, or a panel that is wider than the page', () => {
    expect(isDashboard({ ...dashboard, id: 7 })).toBe(false)
    const [first, ...others] = panelsOf(dashboard)
    expect(isDashboard({ ...dashboard, panels: [{ ...first, gridPos: { x: 0, y: 0, w: 25, h: 1 } }, ...others] })).toBe(
      false,
    )
  })

  it('gives each panel an id, a title and a place of its own', () => {
    const all = panelsOf(dashboard)
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
    expect(new Set(all.map(({ title }) => title)).size).toBe(all.length)
    for (const { gridPos: a, id } of all) {
      if (a === undefined) throw new Error(`panel ${id} has no place`)
      expect(a.x + a.w).toBeLessThanOrEqual(24)
      for (const { gridPos: b, id: other } of all)
        if (b !== undefined && other !== id)
          expect(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y, `${id} ${other}`).toBe(
            true,
          )
    }
  })

  it('uses only variables that it has', () => {
    const known = new Set((dashboard.templating?.list ?? []).map(({ name }) => name))
    const own = panelsOf(dashboard).flatMap((panel) => targetsOf(panel).map(({ query }) => query))
    for (const query of own) for (const [, name = ''] of query.matchAll(/\$([a-z]+)\b/g)) expect(known).toContain(name)
  })
})

describe('the links', () => {
  it('lead from each dashboard to the other and carry the lift', () => {
    const urls = (uid: string) => (dashboardOf(uid).links ?? []).map(({ url }) => url)
    expect(urls(DASHBOARDS.lift.uid)).toEqual([`/d/${DASHBOARDS.overview.uid}?var-lift=\${lift}`])
    expect(urls(DASHBOARDS.overview.uid)).toEqual([`/d/${DASHBOARDS.lift.uid}?var-find=\${lift}`])
  })

  it('lead from every list of lifts in the overview to that lift, with a filter that lists it', () => {
    const lists = panelsOf(dashboardOf(DASHBOARDS.overview.uid)).filter(({ type }) => type === 'table')
    expect(lists.length).toBeGreaterThan(3)
    for (const { fieldConfig, title } of lists) {
      const lift = fieldConfig?.overrides.find(({ matcher }) => matcher.options === 'lift')
      const link = lift?.properties.find(({ id }) => id === 'links')
      expect(link?.value, title).toEqual([
        {
          title: expect.any(String) as string,
          url: `/d/${DASHBOARDS.lift.uid}?var-lift=\${__value.raw}&var-find=\${__value.raw}&\${__url_time_range}`,
        },
      ])
    }
  })

  it('find one lift among ten thousand: the list is narrowed by a text and never longer than offered', () => {
    const variables = dashboardOf(DASHBOARDS.lift.uid).templating?.list ?? []
    expect(variables.map(({ name, type }) => [name, type])).toEqual([
      ['find', 'textbox'],
      ['lift', 'query'],
    ])
    expect(variables[1]?.query).toMatch(/\$find.* LIMIT 200$/)
  })
})

/** What a query names: its measurements, and its quoted words that are neither names given within it nor the tag. */
function namesIn(query: string): { measurements: string[]; fields: string[] } {
  const measurements = [...query.matchAll(/FROM "([^"]+)"/g)].map(([, name = '']) => name)
  const given = new Set([...query.matchAll(/AS "([^"]+)"/g)].map(([, name = '']) => name))
  // A name may be given to a field and mean the field elsewhere: what stands inside a function of the innermost query counts.
  const inner = query.slice(query.lastIndexOf('(SELECT ') + 1)
  const called = [...inner.matchAll(/\(("[^"]+")\)/g)].map(([, name = '']) => name.slice(1, -1))
  const quoted = [...query.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name)
  const others = quoted.filter((name) => !given.has(name) && !measurements.includes(name) && name !== 'lift')
  return { measurements, fields: [...new Set([...others, ...called])] }
}

describe('the queries', () => {
  it.each(queries)('name only what the contract keeps: %s', (query) => {
    const { measurements, fields } = namesIn(query)
    expect(measurements).toHaveLength(1)
    const [measurement = ''] = measurements
    expect(Object.keys(MEASUREMENTS)).toContain(measurement)
    const kept = Object.keys(MEASUREMENTS[measurement as keyof typeof MEASUREMENTS])
    for (const field of fields) expect(kept).toContain(field)
  })

  it('are read by this test: a field that does not exist would be seen', () => {
    expect(namesIn('SELECT last("speed") FROM "status" WHERE $timeFilter').fields).toEqual(['speed'])
    expect(
      namesIn('SELECT count("x") FROM (SELECT last("speed") AS "x" FROM "status" GROUP BY "lift")').fields,
    ).toEqual(['speed'])
  })

  it('cover every measurement', () => {
    expect([...new Set(queries.flatMap((query) => namesIn(query).measurements))].sort()).toEqual(
      Object.keys(MEASUREMENTS).sort(),
    )
  })

  it('never run over all time: each target keeps to the range of its panel', () => {
    for (const { panel } of panels) for (const { query } of targetsOf(panel)) expect(query).toContain('$timeFilter')
  })

  it('refuse a field that the contract does not have when they are written', () => {
    expect(() => status.newest('speed', 'x')).toThrow('status has no field speed')
  })
})

describe('the values', () => {
  const units = new Set(grafana.getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)))

  it('have units that Grafana knows', () => {
    const used = panels.flatMap(({ panel }) => [
      panel.fieldConfig?.defaults.unit,
      ...(panel.fieldConfig?.overrides ?? []).flatMap(({ properties }) =>
        properties.filter(({ id }) => id === 'unit').map(({ value }) => value as string),
      ),
    ])
    expect(used.length).toBeGreaterThan(20)
    for (const unit of used) expect(units.has(unit ?? '') || unit?.startsWith('suffix:'), unit).toBe(true)
  })

  it('have a Grafana unit for every unit of the contract', () => {
    for (const field of Object.keys(FIELD_UNITS)) expect(unitOf(field)).not.toBe('none')
    expect(unitOf('runCount')).toBe('none')
    expect(grafana.formattedValueToString(grafana.getValueFormat(unitOf('positionMm'))(6820, 2))).toBe('6.82 m')
    expect(grafana.formattedValueToString(grafana.getValueFormat(unitOf('vibrationMg'))(7.2, 1))).toBe('7.2 mg')
  })

  it('name every fault code in the table of its own code set only', () => {
    for (const { uid, panel } of panels) {
      const codeSet = CODE_SETS.find((name) => panel.title?.endsWith(`· ${name}`))
      const code = panel.fieldConfig?.overrides.find(({ matcher }) => matcher.options === 'code')
      if (code === undefined) continue
      const [mapping] = code.properties.find(({ id }) => id === 'mappings')?.value as [{ options: object }]
      const codes = FAULTS.filter((fault) => fault.codeSet === codeSet).map((fault) => String(fault.code))
      expect(Object.keys(mapping.options), `${uid} ${panel.title}`).toEqual(codes)
    }
  })
})
