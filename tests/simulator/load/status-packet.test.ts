import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { Status } from '#contract/telemetry'
import { PAYLOAD_BYTES_MAX } from '#contract/topics'
import { publishPacket } from '#simulator/load/packets'
import { STATUS_BYTES, StatusPacket } from '#simulator/load/status-packet'

const TOPIC = 'lifts/v1/load-00001/status'
const status = Compile(Status)
/** After the topic and the packet id. */
const payloadOf = (bytes: Buffer): string => bytes.subarray(bytes.indexOf(TOPIC) + TOPIC.length + 2).toString()
const messages = fc.record({
  packetId: fc.integer({ min: 1, max: 65_535 }),
  seq: fc.integer({ min: 1, max: 0xffff_ffff }),
  atMs: fc.integer({ min: 1_600_000_000_000, max: 4_000_000_000_000 }),
})

describe('a status of the load', () => {
  it('passes the schema of the contract with the right boot, seq and time, however often it is filled anew', () => {
    fc.assert(
      fc.property(
        fc.array(messages, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (all, boot) => {
          const packet = new StatusPacket(TOPIC, boot)
          for (const { packetId, seq, atMs } of all) {
            const { bytes } = packet.fill(packetId, seq, atMs)
            const payload = payloadOf(bytes)
            const content: unknown = JSON.parse(payload)
            expect(status.Check(content)).toBe(true)
            expect(content).toMatchObject({ v: 1, boot, seq, sampledAtMs: atMs })
            expect(bytes.equals(publishPacket({ topic: TOPIC, payload, id: packetId }))).toBe(true)
          }
        },
      ),
    )
  })

  it('is as long as those of terminals, and never longer than the contract allows', () => {
    const { bytes } = new StatusPacket(TOPIC, 0xffff_ffff).fill(1, 1, 1_795_190_400_123)
    expect(payloadOf(bytes).length).toBeGreaterThanOrEqual(STATUS_BYTES)
    expect(payloadOf(bytes).length).toBeLessThan(Math.min(PAYLOAD_BYTES_MAX, STATUS_BYTES + 40))
  })

  it('differs by its mark alone when it is sent again, and the mark is gone with the next message', () => {
    const packet = new StatusPacket(TOPIC, 3)
    const first = Buffer.from(packet.fill(9, 1, 1_795_190_400_123).bytes)
    const again = Buffer.from(packet.again().bytes)
    expect(first[0]).toBe(0x32)
    expect(again[0]).toBe(0x3a)
    expect(again.subarray(1).equals(first.subarray(1))).toBe(true)
    expect(packet.fill(10, 2, 1_795_190_400_124).bytes[0]).toBe(0x32)
  })
})
