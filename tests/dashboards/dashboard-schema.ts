/**
 * The part of Grafana's classic dashboard schema (version 42) that provisioned files use, as JSON Schema. The library of
 * builders carries the types of the full schema; this catches what types cannot: numbers out of range, values that were lost
 * on the way to JSON, and properties that a provisioned dashboard must not have.
 */
const text = { type: 'string', minLength: 1 }
const dataSource = {
  type: 'object',
  required: ['type', 'uid'],
  additionalProperties: false,
  properties: { type: { const: 'influxdb' }, uid: { const: 'tiwang-influx' } },
}
const colour = { type: 'string', pattern: '^#[0-9a-f]{6}$' }
const thresholds = {
  type: 'object',
  required: ['mode', 'steps'],
  additionalProperties: false,
  properties: {
    mode: { enum: ['absolute', 'percentage'] },
    steps: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['value', 'color'],
        additionalProperties: false,
        properties: { value: { type: ['number', 'null'] }, color: colour },
      },
    },
  },
}
const mapping = {
  type: 'object',
  required: ['type', 'options'],
  additionalProperties: false,
  properties: {
    type: { const: 'value' },
    options: {
      type: 'object',
      minProperties: 1,
      additionalProperties: {
        type: 'object',
        required: ['text'],
        additionalProperties: false,
        properties: { text, color: colour, index: { type: 'integer', minimum: 0 } },
      },
    },
  },
}
const fieldConfig = {
  type: 'object',
  required: ['defaults', 'overrides'],
  properties: {
    defaults: {
      type: 'object',
      required: ['noValue', 'unit', 'thresholds'],
      properties: {
        noValue: { const: '无数据' },
        unit: text,
        decimals: { type: 'integer', minimum: 0, maximum: 10 },
        mappings: { type: 'array', items: mapping },
        thresholds,
      },
    },
    overrides: {
      type: 'array',
      items: {
        type: 'object',
        required: ['matcher', 'properties'],
        properties: {
          matcher: {
            type: 'object',
            required: ['id', 'options'],
            properties: { id: { const: 'byName' }, options: text },
          },
          properties: {
            type: 'array',
            minItems: 1,
            items: { type: 'object', required: ['id', 'value'], properties: { id: text } },
          },
        },
      },
    },
  },
}
const target = {
  type: 'object',
  required: ['refId', 'datasource', 'query', 'rawQuery', 'resultFormat'],
  additionalProperties: false,
  properties: {
    refId: { type: 'string', pattern: '^[A-Z]$' },
    datasource: dataSource,
    query: text,
    rawQuery: { const: true },
    resultFormat: { enum: ['time_series', 'table'] },
    alias: text,
  },
}
const panel = {
  type: 'object',
  required: ['id', 'type', 'title', 'description', 'gridPos', 'datasource', 'targets', 'fieldConfig', 'options'],
  properties: {
    id: { type: 'integer', minimum: 1 },
    type: { enum: ['stat', 'bargauge', 'timeseries', 'state-timeline', 'table'] },
    title: text,
    description: { type: 'string', minLength: 5 },
    gridPos: {
      type: 'object',
      required: ['x', 'y', 'w', 'h'],
      additionalProperties: false,
      properties: {
        x: { type: 'integer', minimum: 0, maximum: 23 },
        y: { type: 'integer', minimum: 0 },
        w: { type: 'integer', minimum: 1, maximum: 24 },
        h: { type: 'integer', minimum: 1 },
      },
    },
    datasource: dataSource,
    targets: { type: 'array', minItems: 1, items: target },
    fieldConfig,
    options: { type: 'object' },
    interval: { type: 'string', pattern: '^\\d+[smh]$' },
    timeFrom: { type: 'string', pattern: '^\\d+[mhd]$' },
  },
}
const variable = {
  type: 'object',
  required: ['type', 'name', 'label'],
  properties: {
    type: { enum: ['textbox', 'query'] },
    name: { type: 'string', pattern: '^[a-z]+$' },
    label: text,
    multi: { const: false },
    includeAll: { const: false },
    datasource: dataSource,
  },
}
const link = {
  type: 'object',
  required: ['title', 'type', 'url', 'keepTime'],
  properties: {
    title: text,
    type: { const: 'link' },
    url: { type: 'string', pattern: '^/d/tiwang-[a-z]+\\?var-' },
    keepTime: { const: true },
    placement: false,
  },
}

export const DASHBOARD_SCHEMA = {
  type: 'object',
  required: [
    'uid',
    'title',
    'schemaVersion',
    'editable',
    'timezone',
    'refresh',
    'time',
    'tags',
    'panels',
    'templating',
    'links',
  ],
  properties: {
    // The server gives a number of its own; one in the file would overwrite a stranger's dashboard.
    id: false,
    uid: { type: 'string', pattern: '^tiwang-[a-z]+$', maxLength: 40 },
    title: text,
    schemaVersion: { type: 'integer', minimum: 36 },
    editable: { const: false },
    timezone: { const: 'Asia/Shanghai' },
    refresh: { const: '30s' },
    time: {
      type: 'object',
      required: ['from', 'to'],
      properties: { from: { type: 'string', pattern: '^now-\\d+[mhd]$' }, to: { const: 'now' } },
    },
    tags: { type: 'array', contains: { const: 'generated' } },
    panels: { type: 'array', minItems: 1, items: panel },
    templating: {
      type: 'object',
      required: ['list'],
      properties: { list: { type: 'array', contains: { properties: { name: { const: 'lift' } } }, items: variable } },
    },
    links: { type: 'array', minItems: 1, items: link },
  },
}
