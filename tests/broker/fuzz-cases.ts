/** Speaks mutated packets to a broker, each case on a connection of its own. */
import { connect, type Socket } from 'node:net'
import { MESSAGE_KINDS } from '#contract/topics'
import { MutatedPackets, offeredBy, type FuzzTerminal, type Offers } from './mutated-packets.ts'
import { connectPacket } from './raw-terminal.ts'

/** A connection whose other side says nothing more for so long counts as hanging. */
const HANG_MS = 10_000

export const fuzzTerminal = (serial: string, lift: string, secret: string): FuzzTerminal => ({
  serial,
  secret,
  topics: MESSAGE_KINDS.map((kind) => `lifts/v1/${lift}/${kind}`),
})

export type FuzzFigures = { caseCount: number; admittedCount: number; hangCount: number; refusedConnectCount: number }

/** Runs `caseCount` cases, as many at once as there are terminals. */
export async function runFuzzCases(o: {
  port: number
  seed: number
  caseCount: number
  terminals: readonly FuzzTerminal[]
  offers: Offers
  /** Where the connections come from; loopback has many addresses. */
  localAddress?: string
}): Promise<FuzzFigures> {
  const packets = new MutatedPackets(o.seed)
  const figures = { caseCount: 0, admittedCount: 0, hangCount: 0, refusedConnectCount: 0 }
  const lane = async (terminal: FuzzTerminal): Promise<void> => {
    while (figures.caseCount < o.caseCount) {
      figures.caseCount += 1
      const { isAdmitted, chunks } = packets.next(terminal)
      o.offers.add(offeredBy(Buffer.concat(chunks), terminal))
      const socket = connect({
        host: '127.0.0.1',
        port: o.port,
        localAddress: o.localAddress ?? '127.0.0.1',
        noDelay: true,
      })
      socket.on('error', () => {})
      const ended = endOf(socket)
      if (isAdmitted) {
        socket.write(connectPacket({ username: terminal.serial, password: terminal.secret }))
        const answer = await firstBytes(socket)
        if (answer?.[0] === 0x20 && answer[3] === 0) figures.admittedCount += 1
        else figures.refusedConnectCount += 1
      }
      socket.on('data', () => {})
      for (const chunk of chunks) {
        if (socket.destroyed) break
        socket.write(chunk)
        if (chunks.length > 1) await new Promise((resolve) => setImmediate(resolve))
      }
      if (!socket.destroyed) socket.end()
      if (!(await ended)) figures.hangCount += 1
    }
  }
  await Promise.all(o.terminals.map(lane))
  return figures
}

/** True when the connection ended by itself, false when it had to be cut because nothing happened. */
const endOf = (socket: Socket) =>
  new Promise<boolean>((resolve) => {
    let isHanging = false
    socket.setTimeout(HANG_MS, () => {
      isHanging = true
      socket.destroy()
    })
    socket.once('close', () => resolve(!isHanging))
  })

const firstBytes = (socket: Socket) =>
  new Promise<Buffer | undefined>((resolve) => {
    socket.once('data', resolve)
    socket.once('close', () => resolve(undefined))
  })
