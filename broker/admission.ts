/** Who may connect, publish and subscribe: pure decisions over what a device says and what the register knows of it. */
import { refuse, accept, type AdmissionRefusal, type Result } from '#contract/errors'
import { isTerminalSerial, type LiftId, type TerminalSerial } from '#contract/ids'
import type { Terminal } from '#contract/register'
import {
  deviceTopic,
  MESSAGE_KINDS,
  PAYLOAD_BYTES_TAKEN_MAX,
  TOPIC_BYTES_MAX,
  type MessageKind,
} from '#contract/topics'

/** Longest client id taken, UTF-16 units. */
export const CLIENT_ID_LENGTH_MAX = 128
/** Longest secret taken, bytes; a terminal's secret is far shorter. */
const SECRET_BYTES_MAX = 256

/** The will of a CONNECT: what the broker says for a terminal that is gone. */
export type Will = { readonly topic: string; readonly payload: Uint8Array | string; readonly qos?: number }

/** The fields of a CONNECT packet that admission looks at. */
export type ConnectRequest = {
  readonly protocolId?: string
  readonly protocolVersion?: number
  readonly bridgeMode?: boolean
  readonly clientId?: string
  readonly clean?: boolean
  readonly username?: string
  readonly password?: Uint8Array
  readonly will?: Will
}

/** Who claims to connect, with what proof, and what shall be said when it is gone. */
export type Claim = {
  readonly serial: TerminalSerial
  readonly proof: 'secret' | 'certificate'
  /** '' when the proof is a certificate, and as soon as it has been proved. */
  readonly secret: string
  readonly clientId: string
  readonly will: Will | undefined
}

/** A terminal that proved who it is, and the only topics it may publish to. */
export type AdmittedTerminal = {
  readonly serial: TerminalSerial
  readonly lift: LiftId
  readonly kindByTopic: ReadonlyMap<string, MessageKind>
}

/** A refusal that closes a connection; it was counted when it was made. */
export class AdmissionError extends Error {
  override readonly name = 'AdmissionError'
  readonly code: AdmissionRefusal
  constructor(code: AdmissionRefusal, detail: string) {
    super(`${code}: ${detail}`)
    this.code = code
  }
}

/**
 * The CONNACK return code (MQTT 3.1.1 table 3.1) that answers a refused CONNECT. A code that is not here is answered by
 * closing the connection, as the standard asks for malformed strings [MQTT-1.5.3-2].
 */
export const CONNACK_CODES: Partial<Readonly<Record<AdmissionRefusal, 1 | 2 | 3 | 4 | 5>>> = {
  'admission.version': 1,
  'admission.badClientId': 2,
  'admission.busy': 3,
  'admission.registerAway': 3,
  'admission.storeAway': 3,
  'admission.tooOften': 3,
  'admission.badCredentials': 4,
  'admission.badCertificate': 5,
  'admission.lockedOut': 5,
  'admission.revoked': 5,
  'admission.foreignWill': 5,
  'admission.qos': 5,
}

// Ill-formed UTF-8 becomes U+FFFD when Node decodes it, so U+FFFD is refused with it [MQTT-1.5.3-1].
const forbidden = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\uFFFD]/u

/** True for U+0000, control characters, surrogates, non-characters and what was not UTF-8. */
export const hasForbiddenCharacter = (text: string): boolean => forbidden.test(text)

/**
 * What can be said about a CONNECT without asking anybody. `certificate` names the terminal whose certificate the connection
 * has shown, when it has shown one that is good: then no password is looked at.
 */
export function judgeConnect(
  request: ConnectRequest,
  certificate?: { readonly serial: TerminalSerial },
): Result<Claim, AdmissionRefusal> {
  const { clientId = '', username = '', password, will } = request
  if (request.protocolId !== 'MQTT' || request.protocolVersion !== 4 || request.bridgeMode === true)
    return refuse('admission.version', `${request.protocolId ?? ''} ${request.protocolVersion ?? ''}`)
  if (hasForbiddenCharacter(clientId)) return refuse('admission.badString', 'client id')
  if (hasForbiddenCharacter(username)) return refuse('admission.badString', 'user name')
  if (will !== undefined && hasForbiddenCharacter(will.topic)) return refuse('admission.badString', 'will topic')
  // The user name says who it is, so a client id may be left out where the standard allows it [MQTT-3.1.3-6, MQTT-3.1.3-7].
  if ((clientId.length === 0 && request.clean !== true) || clientId.length > CLIENT_ID_LENGTH_MAX)
    return refuse('admission.badClientId', `length ${clientId.length}`)
  if (will !== undefined && (will.qos ?? 0) > 1) return refuse('admission.qos', `will with QoS ${will.qos ?? 0}`)
  if (certificate !== undefined) {
    const { serial } = certificate
    if (username !== '' && username !== serial)
      return refuse('admission.badCertificate', `certificate of ${serial}, user name of another`)
    return accept({ serial, proof: 'certificate', secret: '', clientId, will })
  }
  if (!isTerminalSerial(username)) return refuse('admission.badCredentials', 'user name is no terminal serial')
  if (password === undefined || password.length === 0 || password.length > SECRET_BYTES_MAX)
    return refuse('admission.badCredentials', 'no secret, or one that cannot be')
  return accept({ serial: username, proof: 'secret', secret: Buffer.from(password).toString('utf8'), clientId, will })
}

/** What the register's row says about a terminal whose secret was right. */
export function judgeTerminal(row: Terminal, will: Will | undefined): Result<AdmittedTerminal, AdmissionRefusal> {
  if (row.revokedAtMs !== null) return refuse('admission.revoked', 'revoked')
  if (row.lift === null) return refuse('admission.revoked', 'bound to no lift')
  if (will !== undefined && will.topic !== deviceTopic(row.lift, 'connection'))
    return refuse('admission.foreignWill', will.topic)
  const lift = row.lift
  return accept({
    serial: row.serial,
    lift,
    kindByTopic: new Map(MESSAGE_KINDS.map((kind) => [deviceTopic(lift, kind), kind])),
  })
}

/** Whether a terminal may publish this; the value is what the message is about. Payloads are never looked into. */
export function judgePublication(
  terminal: AdmittedTerminal,
  publication: { readonly topic: string; readonly qos: number; readonly payload: Uint8Array | string },
): Result<MessageKind, AdmissionRefusal> {
  const kind = terminal.kindByTopic.get(publication.topic)
  if (kind === undefined)
    return hasForbiddenCharacter(publication.topic)
      ? refuse('admission.badString', 'topic')
      : refuse(
          publication.topic.length > TOPIC_BYTES_MAX ? 'admission.tooLarge' : 'admission.foreignTopic',
          publication.topic,
        )
  if (publication.qos > 1) return refuse('admission.qos', `QoS ${publication.qos}`)
  if (publication.payload.length > PAYLOAD_BYTES_TAKEN_MAX)
    return refuse('admission.tooLarge', `payload of ${publication.payload.length} bytes`)
  return accept(kind)
}

/** Devices subscribe to nothing; a filter that is no proper string costs the connection as well. */
export const judgeSubscription = (filter: string): AdmissionRefusal =>
  hasForbiddenCharacter(filter) ? 'admission.badString' : 'admission.subscribe'
