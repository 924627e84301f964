import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { DEVICE_MESSAGES } from '#contract/asyncapi'
import { FIELD_UNITS, MEASUREMENTS, isHistoryField } from '#contract/history'
import {
  CAR_DIRECTIONS,
  CAR_STATUSES,
  Connection,
  DOOR_STATUSES,
  Message,
  SERVICE_MODES,
  STATISTICS_FIELDS,
  STATUS_FIELDS,
  Statistics,
  Status,
} from '#contract/telemetry'
import { MESSAGE_KINDS } from '#contract/topics'
import { arbitraryOf } from './arbitrary-of.ts'

/** The status of the published contract, as a terminal sends it. */
const STATUS_TEXT = `{"v":1,"boot":17,"seq":48213,"sampledAtMs":1795190400123,
 "serviceMode":1,"carStatus":1,"carDirection":1,"doorZone":false,"carPosition":"3","floorIndex":2,"positionMm":6820,
 "doorStatus":2,"doorClosed":true,"passengerPresent":true,"passengerCount":2,"speedMps":0.98,"loadKg":132,"overload":false,
 "powerSource":"mains","alarmButton":false,"safetyCircuitClosed":true,"doorLockClosed":true,"temperatureC":24.1,"vibrationMg":7.2,"rssiDbm":-71,"batteryPct":100}`
const REQUIRED = [
  ...['v', 'boot', 'seq', 'sampledAtMs', 'serviceMode', 'carStatus', 'carDirection', 'doorZone', 'carPosition'],
  ...['doorClosed', 'passengerPresent'],
]
const status = JSON.parse(STATUS_TEXT) as Record<string, unknown>
const without = (row: Record<string, unknown>, name: string) =>
  Object.fromEntries(Object.entries(row).filter(([key]) => key !== name))
const isStatus = Compile(Status)
const isMessage = Compile(Message)
const isConnection = Compile(Connection)
const message = DEVICE_MESSAGES.message.example as Record<string, unknown>

describe('a status', () => {
  it('of the published contract is taken, and is the example of the document', () => {
    expect(isStatus.Check(status)).toBe(true)
    expect(DEVICE_MESSAGES.status.example).toEqual(status)
  })

  it('needs exactly the required fields', () => {
    for (const name of Object.keys(status))
      expect(isStatus.Check(without(status, name)), name).toBe(!REQUIRED.includes(name))
  })

  it.each([
    ['v', 2],
    ['boot', -1],
    ['seq', 1.5],
    ['seq', 2 ** 32],
    ['sampledAtMs', '1795190400123'],
    ['sampledAtMs', 2 ** 53],
    ['serviceMode', 8],
    ['serviceMode', true],
    ['carStatus', 2],
    ['carDirection', -1],
    ['doorZone', 1],
    ['doorClosed', null],
    ['passengerPresent', 'true'],
    ['carPosition', 3],
    ['carPosition', ''],
    ['carPosition', '12345'],
    ['carPosition', '1\n'],
    ['doorStatus', 7],
    ['speedMps', 21],
    ['loadKg', -1],
    ['powerSource', 'sun'],
    ['rssiDbm', 1],
    ['batteryPct', 101],
  ])('with %s = %j is refused', (name, value) => {
    expect(isStatus.Check({ ...status, [name]: value })).toBe(false)
  })

  it('of a newer firmware with fields that we do not know is taken', () => {
    expect(isStatus.Check({ ...status, carLightOn: true })).toBe(true)
  })

  it.each(['-1', 'B1', '2.5', '3-4', '大堂'])('may stop at the landing %j', (carPosition) => {
    expect(isStatus.Check({ ...status, carPosition })).toBe(true)
  })
})

describe('a message', () => {
  it('needs a code set that we know, whatever its code', () => {
    expect(isMessage.Check(message)).toBe(true)
    expect(isMessage.Check(without(message, 'codeSet'))).toBe(false)
    expect(isMessage.Check({ ...message, codeSet: 'another' })).toBe(false)
    expect(isMessage.Check({ ...message, code: 77 })).toBe(true)
  })

  it('is refused when its snapshot says something impossible', () => {
    expect(isMessage.Check({ ...message, snapshot: {} })).toBe(true)
    expect(isMessage.Check({ ...message, snapshot: { serviceMode: 99 } })).toBe(false)
  })
})

describe('a connection', () => {
  it('may be a will, which has neither sequence nor time', () => {
    expect(isConnection.Check({ v: 1, state: 'offline', terminal: 'TJ-0007' })).toBe(true)
    expect(isConnection.Check({ v: 1, state: 'online', terminal: 'TJ-0007' })).toBe(false)
    expect(isConnection.Check({ v: 1, state: 'offline', terminal: '../7' })).toBe(false)
  })
})

describe('the schemas', () => {
  it.each(MESSAGE_KINDS.map((kind) => [kind, DEVICE_MESSAGES[kind].payload] as const))(
    'of %s accept what they describe and survive JSON',
    (_kind, schema) => {
      const isBody = Compile(schema)
      fc.assert(
        fc.property(arbitraryOf(schema), (body) => {
          expect(isBody.Check(JSON.parse(JSON.stringify(body)))).toBe(true)
        }),
        { numRuns: 100 },
      )
    },
  )

  it('allow as many codes as there are names for them', () => {
    const tables = { serviceMode: SERVICE_MODES, carStatus: CAR_STATUSES, carDirection: CAR_DIRECTIONS }
    for (const [name, table] of Object.entries({ ...tables, doorStatus: DOOR_STATUSES })) {
      expect(isStatus.Check({ ...status, [name]: table.length - 1 }), name).toBe(true)
      expect(isStatus.Check({ ...status, [name]: table.length }), name).toBe(false)
    }
  })
})

describe('the measurements', () => {
  it('keep every field that a terminal measures, in its type', () => {
    expect(Object.keys(MEASUREMENTS.status)).toEqual(expect.arrayContaining(Object.keys(STATUS_FIELDS)))
    expect(Object.keys(MEASUREMENTS.statistics)).toEqual(expect.arrayContaining(Object.keys(STATISTICS_FIELDS)))
    expect(MEASUREMENTS.status).toMatchObject({
      serviceMode: 'integer',
      doorZone: 'boolean',
      carPosition: 'string',
      powerSource: 'string',
      speedMps: 'number',
    })
  })

  it('have a unit only where there is a field', () => {
    const fields = new Set(Object.values(MEASUREMENTS).flatMap(Object.keys))
    for (const name of Object.keys(FIELD_UNITS)) expect(fields).toContain(name)
  })

  it('draw numbers and booleans, never text or what is inherited', () => {
    expect(isHistoryField('status', 'speedMps')).toBe(true)
    expect(isHistoryField('status', 'doorZone')).toBe(true)
    expect(isHistoryField('status', 'carPosition')).toBe(false)
    expect(isHistoryField('status', 'constructor')).toBe(false)
    expect(Compile(Statistics).Check({ v: 1, boot: 1, seq: 1, sampledAtMs: 1 })).toBe(true)
  })
})
