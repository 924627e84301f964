/** The units of the contract in the words of Grafana. */
import { FIELD_UNITS } from '#contract/history'

const GRAFANA_UNITS: Readonly<Record<string, string>> = {
  mm: 'lengthmm',
  'm/s': 'velocityms',
  kg: 'masskg',
  '°C': 'celsius',
  // Milli-g. Grafana's own unit of this name is milligram.
  mg: 'suffix:mg',
  dBm: 'dBm',
  '%': 'percent',
  s: 's',
  m: 'lengthm',
  kWh: 'kwatth',
}

/** Grafana's name of the unit of a field; `none` for a field without one. Throws for a unit that has no name there. */
export function unitOf(field: string): string {
  const unit = FIELD_UNITS[field]
  if (unit === undefined) return 'none'
  const name = GRAFANA_UNITS[unit]
  if (name === undefined) throw new Error(`Grafana's name of the unit ${unit} is not known here`)
  return name
}
