/** One connection of the bench: bytes in, facts out, and the answers that a platform gives. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { generate, parser, type IConnectPacket, type Packet, type Parser } from 'mqtt-packet'
import { SECRET_BYTES_MAX } from './checks-connect.ts'
import type { BenchState } from './bench.ts'
import { STRANGER_RETURN_CODE, type ClosedBy, type ConnectPacket, type FactLog, type FactOf } from './facts.ts'

/** Bytes of a packet that is not whole yet. More is cut, as the platform does. */
const COLLECTED_BYTES_MAX = 256 * 1024
const LEVEL_OF_3_1_1 = 4
const RETURN_CODE = { accepted: 0, badVersion: 1, unavailable: 3, stranger: STRANGER_RETURN_CODE } as const
const REFUSED_FILTER = 0x80

export class BenchConnection {
  readonly #socket: Socket
  readonly #number: number
  readonly #log: FactLog
  readonly #state: BenchState
  readonly #isTerminal: (names: readonly string[]) => boolean
  readonly #onConnect: () => void
  readonly #onSignedIn: (names: readonly string[]) => void
  readonly #onClosed: () => void
  readonly #parser: Parser
  #hasConnected = false
  #isClosed = false

  constructor(o: {
    socket: Socket
    number: number
    log: FactLog
    state: BenchState
    /** Whether whoever says these names is the terminal that is tested. */
    isTerminal: (names: readonly string[]) => boolean
    /** A CONNECT came, of whomever. */
    onConnect: () => void
    onSignedIn: (names: readonly string[]) => void
    /** Called once, at once when the kit closes it. */
    onClosed: () => void
  }) {
    this.#socket = o.socket
    this.#number = o.number
    this.#log = o.log
    this.#state = o.state
    this.#isTerminal = o.isTerminal
    this.#onConnect = o.onConnect
    this.#onSignedIn = o.onSignedIn
    this.#onClosed = o.onClosed
    this.#parser = parser()
    this.#parser.on('packet', (packet) => this.#take(packet))
    this.#parser.on('error', (error: unknown) => this.#break(error instanceof Error ? error.message : String(error)))
    o.socket.on('data', (chunk: Buffer) => {
      if (this.#isClosed) return
      const restCount = this.#parser.parse(chunk)
      if (restCount > COLLECTED_BYTES_MAX) this.#break(`packet of more than ${COLLECTED_BYTES_MAX} bytes`)
    })
    o.socket.on('error', () => {}) // what follows is 'close'
    o.socket.on('close', () => this.#closed('terminal'))
  }

  get number(): number {
    return this.#number
  }

  close(by: ClosedBy): void {
    this.#closed(by)
    this.#socket.destroy()
  }

  #closed(by: ClosedBy): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed()
    this.#log.add({ what: 'closed', connection: this.#number, by })
  }

  #break(detail: string): void {
    if (this.#isClosed) return
    this.#log.add({ what: 'broken', connection: this.#number, detail: detail.slice(0, 200) })
    this.close('kit')
  }

  #send(packet: Packet): void {
    if (!this.#isClosed && this.#socket.writable) this.#socket.write(generate(packet))
  }

  #take(packet: Packet): void {
    if (this.#isClosed) return
    if (this.#hasConnected === (packet.cmd === 'connect'))
      return this.#break(
        this.#hasConnected ? 'a second CONNECT [MQTT-3.1.0-2]' : `${packet.cmd} before CONNECT [MQTT-3.1.0-1]`,
      )
    const connection = this.#number
    const messageId = packet.messageId ?? 0
    switch (packet.cmd) {
      case 'connect':
        return this.#connect(packet)
      case 'publish':
        return this.#publish(packet)
      case 'pubrel':
        this.#log.add({ what: 'pubrel', connection, packetId: messageId })
        return this.#send({ cmd: 'pubcomp', messageId })
      case 'subscribe': {
        const filters = packet.subscriptions.map(({ topic }) => topic)
        this.#log.add({ what: 'subscribe', connection, filters })
        return this.#send({ cmd: 'suback', messageId, granted: filters.map(() => REFUSED_FILTER) })
      }
      case 'unsubscribe':
        this.#log.add({ what: 'unsubscribe', connection })
        return this.#send({ cmd: 'unsuback', messageId, granted: [] })
      case 'pingreq':
        this.#log.add({ what: 'ping', connection })
        return this.#send({ cmd: 'pingresp' })
      case 'disconnect':
        this.#log.add({ what: 'disconnect', connection })
        return void this.#socket.end()
      default:
        return this.#break(`${packet.cmd} is not for a device to send [MQTT-4.8.0-1]`)
    }
  }

  #connect(packet: IConnectPacket): void {
    this.#hasConnected = true
    this.#onConnect()
    const connect = readConnect(packet)
    const certificate = certificateOf(this.#socket)
    const names = [connect.userName, connect.clientId, certificate.commonName].filter((name) => name !== undefined)
    const returnCode = this.#returnCodeOf(connect, names)
    this.#log.add({ what: 'connect', connection: this.#number, packet: connect, returnCode, certificate })
    if (returnCode !== RETURN_CODE.accepted) {
      // Written as bytes: to a client of another version the packet would otherwise be written in that version.
      this.#socket.end(Buffer.from([0x20, 2, 0, returnCode]))
      this.#closed('refused')
      return
    }
    this.#send({ cmd: 'connack', returnCode, sessionPresent: false })
    this.#onSignedIn(names)
  }

  #returnCodeOf({ protocol, level }: ConnectPacket, names: readonly string[]): number {
    if (!this.#isTerminal(names)) return RETURN_CODE.stranger
    if (protocol !== 'MQTT' || level !== LEVEL_OF_3_1_1) return RETURN_CODE.badVersion
    return this.#state.mode === 'open' ? RETURN_CODE.accepted : RETURN_CODE.unavailable
  }

  #publish(packet: Extract<Packet, { cmd: 'publish' }>): void {
    const { qos, dup, retain, topic } = packet
    if (qos === 0 && dup) return this.#break('DUP with QoS 0 [MQTT-3.3.1-2]')
    if (qos > 0 && packet.messageId === 0) return this.#break('packet id 0 [MQTT-2.3.1-1]')
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : Buffer.from(packet.payload)
    const isAnswered = qos === 0 || !this.#state.isWithholding
    this.#log.add({
      what: 'publish',
      connection: this.#number,
      topic,
      payload,
      qos,
      isDuplicate: dup,
      isRetained: retain,
      packetId: packet.messageId,
      isAnswered,
    })
    if (!isAnswered || qos === 0) return
    const messageId = packet.messageId ?? 0
    this.#send(qos === 1 ? { cmd: 'puback', messageId } : { cmd: 'pubrec', messageId })
  }
}

function certificateOf(socket: Socket): FactOf<'connect'>['certificate'] {
  if (!(socket instanceof TLSSocket)) return { isShown: false, commonName: undefined }
  const certificate = socket.getPeerCertificate() // {} when none was shown, whatever its type says
  const commonName: unknown = Object.keys(certificate ?? {}).length === 0 ? undefined : certificate.subject?.CN
  return {
    isShown: Object.keys(certificate ?? {}).length > 0,
    commonName: typeof commonName === 'string' ? commonName : undefined,
  }
}

function passwordOf(password: Buffer | string | undefined): ConnectPacket['password'] {
  if (password === undefined) return 'none'
  const bytes = Buffer.byteLength(password)
  return bytes === 0 ? 'empty' : bytes > SECRET_BYTES_MAX ? 'tooLong' : 'sound'
}

function readConnect(packet: IConnectPacket): ConnectPacket {
  const { will } = packet
  return {
    protocol: packet.protocolId ?? '',
    level: packet.protocolVersion ?? 0,
    clientId: packet.clientId,
    userName: packet.username,
    password: passwordOf(packet.password),
    isClean: packet.clean === true,
    keepaliveS: packet.keepalive ?? 0,
    will:
      will === undefined
        ? undefined
        : {
            topic: will.topic,
            payload: Buffer.from(will.payload),
            qos: will.qos ?? 0,
            isRetained: will.retain === true,
          },
  }
}
