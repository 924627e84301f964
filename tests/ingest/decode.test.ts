import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { QUARANTINE_REASONS } from '#contract/errors'
import { decode } from '#ingest/decode'
import { pointOf } from '#ingest/points'
import { quarantineRowOf } from '#ingest/quarantine-row'
import { MEASUREMENTS } from '#contract/history'
import type { JournalRecord } from '#storage/journal/journal'

const NOW = 1_795_190_400_200
const status = {
  v: 1,
  boot: 17,
  seq: 48213,
  sampledAtMs: 1_795_190_400_123,
  serviceMode: 1,
  carStatus: 1,
  carDirection: 1,
  doorZone: false,
  carPosition: '3',
  floorIndex: 2,
  positionMm: 6820,
  doorStatus: 2,
  doorClosed: true,
  passengerPresent: true,
  passengerCount: 2,
  speedMps: 0.98,
  loadKg: 132,
  overload: false,
  powerSource: 'mains',
  alarmButton: false,
  safetyCircuitClosed: true,
  doorLockClosed: true,
  temperatureC: 24.1,
  vibrationMg: 7.2,
  rssiDbm: -71,
  batteryPct: 100,
}
const record = (payload: string | Uint8Array, kind = 'status'): JournalRecord => ({
  position: 1,
  topic: `lifts/v1/yhy-7-2/${kind}`,
  terminal: 'TJ-0007',
  receivedAtMs: NOW,
  payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
})
const reasonOf = (body: unknown, kind = 'status'): string => {
  const result = decode(record(JSON.stringify(body), kind))
  return result.ok ? 'ok' : result.code
}
const message = {
  v: 1,
  boot: 17,
  seq: 5,
  id: 'f-1',
  codeSet: 'gbt24476',
  code: 4,
  kind: 'fault',
  raised: true,
  occurredAtMs: NOW,
  snapshot: { carPosition: '3' },
}

describe('decode', () => {
  it('takes the status of the contract and makes one point of it', () => {
    const decoded = decode(record(JSON.stringify(status)))
    expect(decoded).toMatchObject({
      ok: true,
      value: { kind: 'status', lift: 'yhy-7-2', unknownFieldCount: 0, body: status },
    })
    if (!decoded.ok) return
    const point = pointOf(decoded.value)
    expect(point).toMatchObject({
      measurement: 'status',
      boot: 17,
      seq: 48213,
      sampledAtMs: status.sampledAtMs,
      receivedAtMs: NOW,
    })
    for (const field of Object.keys(point.fields)) expect(MEASUREMENTS.status).toHaveProperty(field)
  })

  it.each([
    ['payload.version', { ...status, v: 2 }],
    ['payload.schema', { ...status, carStatus: 2 }],
    ['payload.schema', { ...status, sampledAtMs: 'now' }],
    ['payload.schema', { ...status, speedMps: 1e9 }],
    ['payload.schema', { ...status, carPosition: 'a\u0000b' }],
    ['payload.schema', { v: 1 }],
    ['payload.schema', [status]],
    ['time.future', { ...status, sampledAtMs: NOW + 300_001 }],
    ['time.tooOld', { ...status, sampledAtMs: NOW - 30 * 86_400_000 - 1 }],
    ['ok', { ...status, sampledAtMs: NOW + 300_000 }],
    ['ok', { ...status, sampledAtMs: NOW - 30 * 86_400_000 }],
  ])('answers %s', (reason, body) => expect(reasonOf(body)).toBe(reason))

  it('refuses a code without a known code set and takes an unknown code of a known one', () => {
    expect(reasonOf({ ...message, codeSet: undefined }, 'message')).toBe('payload.codeSet')
    expect(reasonOf({ ...message, codeSet: 'else' }, 'message')).toBe('payload.codeSet')
    expect(reasonOf({ ...message, code: 9999 }, 'message')).toBe('ok')
  })

  it('refuses a connection message that names another terminal', () => {
    expect(reasonOf({ v: 1, state: 'offline', terminal: 'TJ-0008' }, 'connection')).toBe('lift.foreign')
    expect(reasonOf({ v: 1, state: 'offline', terminal: 'TJ-0007' }, 'connection')).toBe('ok')
  })

  it('drops and counts fields that it does not know, also in the snapshot, instead of refusing the message', () => {
    const decoded = decode(
      record(JSON.stringify({ ...message, mood: 1, snapshot: { carPosition: '3', mood: 2 } }), 'message'),
    )
    expect(decoded).toMatchObject({
      ok: true,
      value: { unknownFieldCount: 2, body: { snapshot: { carPosition: '3' } } },
    })
    expect(reasonOf(JSON.parse(`{"__proto__":{"polluted":1},${JSON.stringify(status).slice(1)}`))).toBe('ok')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('refuses what is not JSON, not UTF-8 or too large', () => {
    const result = (payload: string | Uint8Array) => {
      const decoded = decode(record(payload))
      return decoded.ok ? 'ok' : decoded.code
    }
    expect(result('{"v":1')).toBe('payload.notJson')
    expect(result(new Uint8Array([0x22, 0xff, 0x22]))).toBe('payload.notJson')
    expect(result('['.repeat(16_000))).toBe('payload.notJson')
    expect(result('x'.repeat(16_385))).toBe('payload.tooLarge')
  })

  it('is total: whatever the bytes and the topic, it answers with a message or a reason, and the reason makes a row', () => {
    const topics = fc.oneof(
      fc.string(),
      fc.constantFrom('status', 'statistics', 'message', 'connection').map((kind) => `lifts/v1/yhy-7-2/${kind}`),
    )
    const payloads = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => new Uint8Array(Buffer.from(text))),
    )
    fc.assert(
      fc.property(topics, payloads, fc.string(), (topic, payload, terminal) => {
        const each: JournalRecord = { position: 1, topic, terminal, receivedAtMs: NOW, payload }
        const decoded = decode(each)
        if (decoded.ok) return
        expect(Object.keys(QUARANTINE_REASONS)).toContain(decoded.code)
        expect(quarantineRowOf(each, decoded.code, decoded.detail).payload).not.toMatch(/\p{Cc}/u)
      }),
    )
  })
})
