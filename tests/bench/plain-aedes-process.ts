/** Aedes as its README starts it: nothing kept, nothing checked. */
import { createServer, type AddressInfo } from 'node:net'
import { Aedes } from 'aedes'
import { answerQuestions } from './child-process.ts'

const aedes = await Aedes.createBroker()
aedes.on('clientError', () => {})
aedes.on('connectionError', () => {})
const server = createServer({ noDelay: true }, (socket) => void aedes.handle(socket))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

answerQuestions(
  async () => {
    globalThis.gc?.()
    const { port } = server.address() as AddressInfo // a TCP server that listens has one
    return { port, connectedCount: aedes.connectedClients }
  },
  async () => {
    server.close()
    await new Promise<void>((resolve) => aedes.close(resolve))
  },
)
