/** The fixed names by which Grafana, the data source and the two dashboards know each other. They stay the same over upgrades. */

export const DATA_SOURCE = { type: 'influxdb', uid: 'tiwang-influx' } as const
/** Database of InfluxDB 1.x, bucket of 2.x. */
export const DATABASE = 'tiwang'
export const FOLDER = { title: '梯望 Tiwang', uid: 'tiwang' } as const
export const DASHBOARDS = {
  overview: { uid: 'tiwang-overview', title: '总览 Overview' },
  lift: { uid: 'tiwang-lift', title: '单梯 Single lift' },
} as const

/** Where the provisioning folder is found inside the container of Grafana. */
export const PROVISIONING_FOLDER = '/etc/grafana/provisioning'
/** What an empty panel says. It is never a zero and never green: nothing is known. */
export const NO_VALUE = '无数据'
/** A silence longer than this is drawn as a gap, ms: twice the heartbeat of an idle lift. */
export const GAP_MS = 120_000
/** Most lifts offered in the list of the variable; the filter box beside it finds the others. */
export const OFFERED_LIFTS_MAX = 200
