/** A subscriber that receives everything. */
import { connect, type Socket } from 'node:net'
import { PacketReader } from '#simulator/load/packet-reader'
import { connectPacket, PACKET, puback, subscribePacket } from '#simulator/load/packets'

/** Subscribes to everything with QoS 1 and acknowledges it. `receivedCount` counts. */
export async function openSubscriber(
  port: number,
  clean: boolean,
): Promise<{ socket: Socket; receivedCount: () => number }> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const reader = new PacketReader()
  let receivedCount = 0
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => socket.write(connectPacket({ clientId: 'reader', keepalive: 0, clean })))
    socket.on('data', (chunk: Buffer) => {
      const acknowledgements: Buffer[] = []
      reader.take(chunk, (bytes, at, bodyAt) => {
        const kind = bytes.readUInt8(at) >> 4
        if (kind === PACKET.connack) socket.write(subscribePacket(1, 'lifts/#'))
        else if (kind === PACKET.suback) resolve()
        else if (kind === PACKET.publish) {
          receivedCount += 1
          const topicBytes = bytes.readUInt16BE(bodyAt)
          const isQos1 = (bytes.readUInt8(at) & 6) === 2
          if (isQos1) acknowledgements.push(puback(bytes.readUInt16BE(bodyAt + 2 + topicBytes)))
        }
      })
      if (acknowledgements.length > 0) socket.write(Buffer.concat(acknowledgements))
    })
  })
  socket.on('error', () => {})
  return { socket, receivedCount: () => receivedCount }
}
