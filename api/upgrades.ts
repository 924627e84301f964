/** Upgrades of an HTTP server: MQTT over WebSocket goes to the broker. */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'

export type AcceptUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/**
 * Hands upgrades of /mqtt to the broker, leaves those of `leftPath` to whoever else listens, and turns all others away.
 * `cut` ends those that were handed over: the server cannot close while connections that began as its own are open.
 */
export function routeUpgrades(
  server: Server,
  { acceptMqttWebSocket, leftPath }: { acceptMqttWebSocket?: AcceptUpgrade; leftPath?: string },
): { cut(): void } {
  const taken = new Set<Duplex>()
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = (request.url ?? '').split('?')[0]
    if (path === leftPath) return
    if (path !== '/mqtt' || acceptMqttWebSocket === undefined) {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    taken.add(socket)
    socket.once('close', () => taken.delete(socket))
    acceptMqttWebSocket(request, socket, head)
  })
  return {
    cut() {
      for (const socket of taken) socket.destroy()
    },
  }
}
