/** MQTT over WebSocket: binary frames, subprotocol `mqtt` [MQTT-6.0.0-1, MQTT-6.0.0-3]. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { BROKER_LIMITS } from './limits.ts'

/** Largest WebSocket message, bytes: the largest packet with its fixed header. Several packets may share a message. */
const MESSAGE_BYTES_MAX = BROKER_LIMITS.packetBytesMax + 5
/** Answers to WebSocket pings that may wait for a client that does not read them, bytes. */
const PONG_BYTES_MAX = 16 * 1024

const offersMqtt = (request: IncomingMessage): boolean =>
  (request.headers['sec-websocket-protocol'] ?? '').split(',').some((protocol) => protocol.trim() === 'mqtt')

function turnAway(socket: Duplex, status: string): void {
  socket.on('error', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}

/** Turns upgrade requests into streams of MQTT bytes and hands them to `take`. */
export function openWebSocketDoor(o: {
  isStopping: () => boolean
  take: (conn: Duplex, address: string, request: IncomingMessage) => void
}): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    autoPong: false, // It answers without a bound.
    handleProtocols: () => 'mqtt',
  })
  return (request, socket, head) => {
    if (o.isStopping()) return turnAway(socket, '503 Service Unavailable')
    if (!offersMqtt(request)) return turnAway(socket, '400 Bad Request')
    const address = request.socket.remoteAddress ?? ''
    server.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (_message, isBinary) => {
        if (!isBinary) webSocket.close(1003)
      })
      webSocket.on('ping', (data) => {
        if (webSocket.bufferedAmount <= PONG_BYTES_MAX) webSocket.pong(data)
        else webSocket.terminate()
      })
      o.take(createWebSocketStream(webSocket), address, request)
    })
  }
}
