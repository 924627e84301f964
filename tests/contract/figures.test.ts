import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import {
  availabilityOf,
  COUNTER_FIGURES,
  HOUR_FIELDS,
  HourFigures,
  SERVICE_OF_MODE,
  VIBRATION_MG_MAX,
} from '#contract/figures'
import { SERVICE_MODES, STATISTICS_FIELDS, STATUS_FIELDS } from '#contract/telemetry'

describe('the figures of an hour', () => {
  it('say for every service mode how it counts, and count one of them alone as in service', () => {
    const counted = Object.fromEntries(SERVICE_MODES.map(({ name }, mode) => [name, SERVICE_OF_MODE[mode]]))
    expect(SERVICE_OF_MODE).toHaveLength(SERVICE_MODES.length)
    expect(counted).toMatchObject({
      'out-of-service': 'outOfServiceMs',
      normal: 'inServiceMs',
      inspection: 'maintenanceMs',
      'fire-recall': 'outOfServiceMs',
      unknown: 'unknownMs',
    })
    expect(SERVICE_OF_MODE.filter((span) => span === 'inServiceMs')).toHaveLength(1)
  })

  it('count what terminals count', () => {
    for (const { field } of Object.values(COUNTER_FIGURES)) expect(STATISTICS_FIELDS).toHaveProperty(field)
    expect(STATUS_FIELDS.vibrationMg).toMatchObject({ maximum: VIBRATION_MG_MAX })
  })

  it('have the unit at the end of every name, or are counts', () => {
    for (const name of Object.keys(HOUR_FIELDS)) expect(name).toMatch(/(Count|Ms|S|M|KWh|Mg)$/)
  })

  it('are refused when they cannot be those of an hour', () => {
    const isRow = Compile(HourFigures)
    const row = {
      ...{ lift: 'meilin-03-2', hourAtMs: 1_795_190_400_000, sampleCount: 0, countedMs: 0 },
      ...{ inServiceMs: 0, outOfServiceMs: 0, maintenanceMs: 0, unknownMs: 3_600_000, onlineMs: 0 },
    }
    expect(isRow.Check(row)).toBe(true)
    const bad = [
      ...[{ hourAtMs: row.hourAtMs + 1 }, { hourAtMs: 0 }, { inServiceMs: 3_600_001 }, { unknownMs: -1 }],
      ...[{ runTimeS: 3601 }, { runCount: 0.5 }, { energyKWh: Number.NaN }, { sampleCount: undefined }, { other: 1 }],
      ...[{ lift: 'x y' }],
    ]
    for (const change of bad) expect(isRow.Check({ ...row, ...change }), JSON.stringify(change)).toBe(false)
  })

  it('give an availability only where the lift was known to be in service or out of it', () => {
    expect(availabilityOf({ inServiceMs: 2_700_000, outOfServiceMs: 900_000 })).toBe(0.75)
    expect(availabilityOf({ inServiceMs: 0, outOfServiceMs: 1 })).toBe(0)
    expect(availabilityOf({ inServiceMs: 0, outOfServiceMs: 0 })).toBeUndefined()
  })
})
