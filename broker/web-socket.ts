/** MQTT over WebSocket: binary frames, subprotocol `mqtt` [MQTT-6.0.0-1, MQTT-6.0.0-3]. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer } from 'ws'

/** Largest WebSocket message, bytes; it may hold several MQTT packets, each of which has its own bound. */
const WEB_SOCKET_MESSAGE_BYTES_MAX = 64 * 1024

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
    maxPayload: WEB_SOCKET_MESSAGE_BYTES_MAX,
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
      o.take(createWebSocketStream(webSocket), address, request)
    })
  }
}
