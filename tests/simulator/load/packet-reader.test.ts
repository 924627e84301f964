import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PacketError, PacketReader } from '#simulator/load/packet-reader'
import {
  connack,
  connectPacket,
  DISCONNECT,
  lengthBytes,
  packet,
  PINGRESP,
  puback,
  publishPacket,
} from '#simulator/load/packets'

/** What a reader tells of these chunks: whole packets in hex, and the error at the end, if there is one. */
function readAll(chunks: readonly Buffer[], bodyBytesMax?: number): { packets: string[]; error: string | undefined } {
  const reader = new PacketReader(bodyBytesMax)
  const packets: string[] = []
  for (const chunk of chunks)
    try {
      // One buffer is used for all that is read: what came before is overwritten.
      const shared = Buffer.alloc(chunk.length + 3, 0xff)
      chunk.copy(shared)
      reader.take(shared, (bytes, at, _bodyAt, end) => packets.push(bytes.toString('hex', at, end)), chunk.length)
      shared.fill(0xff)
    } catch (error) {
      if (!(error instanceof PacketError)) throw error
      return { packets, error: error.message }
    }
  return { packets, error: undefined }
}

function chop(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

const packets = fc.oneof(
  fc.integer({ min: 1, max: 65_535 }).map(puback),
  fc.integer({ min: 0, max: 5 }).map(connack),
  fc.constantFrom(PINGRESP, DISCONNECT),
  fc
    .tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 65_535 }))
    .map(([payload, id]) => publishPacket({ topic: 'lifts/v1/lift-1/status', payload: Buffer.from(payload), id })),
)
const cuts = fc.array(fc.nat({ max: 100_000 }), { maxLength: 60 })

describe('the packet reader', () => {
  it('tells the same packets however their bytes are chopped', () => {
    fc.assert(
      fc.property(fc.array(packets, { maxLength: 40 }), cuts, (sent, places) => {
        const expected = sent.map((bytes) => bytes.toString('hex'))
        expect(readAll(chop(Buffer.concat(sent), places))).toEqual({ packets: expected, error: undefined })
      }),
    )
  })

  it('tells the same of any bytes however they are chopped, and ends', () => {
    fc.assert(
      fc.property(
        fc.array(packets, { maxLength: 5 }),
        fc.uint8Array({ maxLength: 400 }),
        cuts,
        (sent, more, places) => {
          const bytes = Buffer.concat([...sent, Buffer.from(more)])
          const whole = readAll([bytes])
          expect(readAll(chop(bytes, places))).toEqual(whole)
          expect(readAll([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole)
        },
      ),
    )
  })

  it('says in words what is no MQTT, after the packets before it', () => {
    const wrong: [Buffer, RegExp][] = [
      [Buffer.from([0x00, 0]), /kind 0/],
      [Buffer.from([0xf0, 0]), /kind 15/],
      [Buffer.from([0x42, 2, 0, 1]), /kind 4 with flags 2/],
      [Buffer.from([0x36, 2, 0, 1]), /kind 3 with flags 6/],
      [Buffer.from([0x40, 3, 0, 1, 0]), /kind 4 with 3 bytes instead of 2/],
      [Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]), /more than four bytes/],
      [Buffer.concat([Buffer.from([0x30]), lengthBytes(70_000)]), /70000 bytes; 65536/],
      [Buffer.from('HTTP/1.1 400 Bad Request\r\n'), /kind 4 with flags 8/],
    ]
    for (const [bytes, words] of wrong) {
      const { packets: told, error } = readAll([Buffer.concat([puback(7), bytes])])
      expect(error).toMatch(words)
      expect(told).toEqual(['40020007'])
    }
  })

  it('takes nothing more after an error', () => {
    const reader = new PacketReader()
    expect(() => reader.take(Buffer.from([0xf0]), () => {})).toThrow(PacketError)
    expect(() => reader.take(puback(1), () => expect.unreachable())).toThrow(/kind 15/)
  })

  it('takes a body of the largest size, and none that is a byte longer', () => {
    const largest = packet(0x30, Buffer.alloc(500))
    expect(readAll([largest], 500).packets).toHaveLength(1)
    expect(readAll([packet(0x30, Buffer.alloc(501))], 500).error).toMatch(/501 bytes; 500/)
    expect(readAll([connectPacket({ clientId: 'x' })]).packets).toHaveLength(1)
  })
})
