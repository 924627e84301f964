/** Listening on a port, and what to say to people when that cannot be. */
import type { Server } from 'node:net'
import { listenRefusal } from '#contract/listening'

/** Connections that the system may hold until they are taken: with Node's 511, most of a town that comes back at once is dropped. */
const BACKLOG = 4_096

type PortSetting = 'MQTT_PORT' | 'MQTT_TLS_PORT'

/** Resolves when the server listens; rejects with a sentence that names the setting. */
export async function listen(server: Server, host: string, port: number, setting: PortSetting): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(listenRefusal(error, port, setting))
    server.once('error', onError)
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}
