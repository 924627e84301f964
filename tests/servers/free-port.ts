import { createServer } from 'node:net'

/** A TCP port on loopback that was free a moment ago, for real servers that cannot be asked to listen on port 0. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address')
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return address.port
}
