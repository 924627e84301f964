/**
 * The certificates of the TLS listener and of the terminals: read from files, checked, and read again when the files change.
 * What cannot be used never replaces what is in force.
 */
import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls'
import { accept, refuse, type Result } from '#contract/errors'
import { isTerminalSerial, type TerminalSerial } from '#contract/ids'
import { readRevocationsAside } from './lists-thread.ts'
import { pemBlocks, requireWholeBlocks } from './pem.ts'
import { certificateNumber, NO_REVOCATIONS, type Revocations } from './revocation-lists.ts'

/** Paths; '' = there is none. */
export type CertificateFiles = {
  readonly certificate: string
  readonly key: string
  readonly issuers: string
  readonly revocations: string
}
const SETTING_OF = {
  certificate: 'MQTT_TLS_CERT_FILE',
  key: 'MQTT_TLS_KEY_FILE',
  issuers: 'MQTT_TLS_CA_FILE',
  revocations: 'MQTT_TLS_CRL_FILE',
} as const satisfies Record<keyof CertificateFiles, string>

/** What the listener and admission work with at a time. */
export type CertificateSet = {
  readonly context: SecureContextOptions
  /** Those who may issue certificates of terminals; none = terminals sign in by secret only. */
  readonly issuers: readonly X509Certificate[]
  readonly revocations: Revocations
  /** When the certificate of the listener ends, Unix ms. */
  readonly endsAtMs: number
}

/** A terminal's certificate as it was shown in the handshake, whose key the terminal holds and one of the issuers has signed. */
export type ShownCertificate = {
  readonly serial: TerminalSerial
  readonly number: string
  readonly issuer: string
  readonly fromMs: number
  readonly toMs: number
}

/** True when the listener is wanted. Throws a sentence for people when only some of the files are named. */
export function wantsTls(files: CertificateFiles): boolean {
  const needs = (name: keyof CertificateFiles, needed: keyof CertificateFiles): void => {
    if (files[name] !== '' && files[needed] === '')
      throw new Error(`${SETTING_OF[name]} is set without ${SETTING_OF[needed]}; set both, or neither`)
  }
  needs('certificate', 'key')
  needs('key', 'certificate')
  needs('issuers', 'certificate')
  needs('revocations', 'issuers')
  return files.certificate !== ''
}

/** What changes when a file does; a file that is not there is a state as well. */
export async function stampOf(files: CertificateFiles): Promise<string> {
  const stamps = Object.values(files).map(async (path) => {
    if (path === '') return ''
    const found = await stat(path).catch(() => undefined)
    return found === undefined ? 'none' : [found.ino, found.size, found.mtimeMs, found.ctimeMs].join(' ')
  })
  return (await Promise.all(stamps)).join(', ')
}

/** Reads and checks all files. Rejects with a sentence that names the setting and the file. */
export async function readCertificates(files: CertificateFiles): Promise<CertificateSet> {
  const cert = await part(files, 'certificate', (bytes) => {
    requireWholeBlocks(bytes.toString('latin1'))
    return { bytes, first: new X509Certificate(bytes) }
  })
  const key = await part(files, 'key', (bytes) => bytes)
  const ca = await part(files, 'issuers', (bytes) => ({ bytes, all: certificatesIn(bytes) }))
  const issuers = ca?.all ?? []
  const revocations = await part(files, 'revocations', (bytes) => readRevocationsAside(bytes, issuers))
  if (cert === undefined || key === undefined) throw new Error('there is no certificate and key')
  const context: SecureContextOptions = {
    cert: cert.bytes,
    key,
    minVersion: 'TLSv1.2',
    // Without issuers no certificate is asked for; the trust that Node ships would be the wrong one.
    ca: ca === undefined ? [] : [ca.bytes],
    // The issuing CA alone is enough, also when a root stands above it; see `trustIssuersAlone`.
    allowPartialTrustChain: true,
  }
  await part(files, 'key', () => createSecureContext(context)) // A key of another certificate shows here.
  return { context, issuers, revocations: revocations ?? NO_REVOCATIONS, endsAtMs: Date.parse(cert.first.validTo) }
}

async function part<Part>(
  files: CertificateFiles,
  name: keyof CertificateFiles,
  read: (bytes: Buffer) => Part | Promise<Part>,
): Promise<Part | undefined> {
  const path = files[name]
  if (path === '') return undefined
  try {
    return await read(await readFile(path))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`${SETTING_OF[name]}: the file ${path} cannot be used: ${reason}`, { cause: error })
  }
}

/**
 * Makes a server take a certificate whose issuer it has, also when that issuer is no root: `tls.Server` of Node 20 leaves
 * `allowPartialTrustChain` out of the context that it makes. To be called after each change of its context. False when this
 * Node has no way to do it: then the file of issuers has to hold the chain up to the root.
 */
export function trustIssuersAlone(server: Server): boolean {
  const made: unknown = Reflect.get(server, '_sharedCreds')
  const inside: unknown = typeof made === 'object' && made !== null ? Reflect.get(made, 'context') : undefined
  if (typeof inside !== 'object' || inside === null) return false
  const allow: unknown = Reflect.get(inside, 'setAllowPartialTrustChain')
  if (typeof allow !== 'function') return false
  Reflect.apply(allow, inside, [])
  return true
}

function certificatesIn(file: Buffer): X509Certificate[] {
  const pems = pemBlocks(file, 'CERTIFICATE')
  if (pems.length === 0) throw new Error('it holds no certificate in PEM')
  return pems.map((pem) => new X509Certificate(pem))
}

/**
 * The certificate that a terminal has shown; undefined when it has shown none, a reason when it is none of ours. A resumed
 * session carries the certificate of the handshake that began it; its ticket ends with the set of certificates.
 */
export function shownBy(socket: TLSSocket, { issuers }: CertificateSet): Result<ShownCertificate, string> | undefined {
  const shown = socket.getPeerX509Certificate()
  if (shown === undefined) return undefined
  // What OpenSSL says of dates may be as old as the session: `judgeCertificate` looks at them at each CONNECT.
  if (!socket.authorized) return refuse(String(socket.authorizationError), 'not accepted')
  const issuer = issuers.find((candidate) => shown.checkIssued(candidate) && shown.verify(candidate.publicKey))
  if (issuer === undefined) return refuse('issuer', 'not issued by a certificate of the CA file')
  const name: unknown = socket.getPeerCertificate().subject?.CN
  if (typeof name !== 'string' || !isTerminalSerial(name)) return refuse('name', 'its CN is no terminal serial')
  return accept({
    serial: name,
    number: certificateNumber(shown.serialNumber),
    issuer: issuer.fingerprint256,
    fromMs: Date.parse(shown.validFrom),
    toMs: Date.parse(shown.validTo),
  })
}

/** Why a certificate is not, or not any more, good for signing in; undefined when it is good. */
export function faultOf(shown: ShownCertificate, set: CertificateSet, nowMs: number): string | undefined {
  if (nowMs < shown.fromMs) return 'not valid yet; compare the clocks'
  if (nowMs > shown.toMs) return 'expired'
  return faultWhileOpen(shown, set)
}

/** The same for a connection that is open: the end of its certificate does not end it, a revocation does. */
export function faultWhileOpen(shown: ShownCertificate, { issuers, revocations }: CertificateSet): string | undefined {
  if (!issuers.some(({ fingerprint256 }) => fingerprint256 === shown.issuer)) return 'its issuer is not trusted'
  if (revocations.numbersByIssuer.get(shown.issuer)?.has(shown.number) === true) return 'revoked by the list'
  return undefined
}
