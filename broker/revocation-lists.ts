/** Revocation lists of certificates (RFC 5280 §5): read, checked against their issuers, and turned into sets of serial numbers. */
import 'reflect-metadata' // needed by the library below, before it is loaded
import type { X509Certificate } from 'node:crypto'
import { X509Certificate as IssuerCertificate, X509Crl } from '@peculiar/x509'
import { pemBlocks } from './pem.ts'

/** Largest file of revocation lists, bytes: about 50 000 certificates. */
const LIST_BYTES_MAX = 2 * 1024 * 1024

/** What all lists of a file say together. */
export type Revocations = {
  /** Numbers of revoked certificates as `certificateNumber` writes them, by the fingerprint of their issuer. */
  readonly numbersByIssuer: ReadonlyMap<string, ReadonlySet<string>>
  readonly count: number
  /** When the first of the lists is due to be replaced, Unix ms; undefined when none says so. */
  readonly dueAtMs: number | undefined
}

export const NO_REVOCATIONS: Revocations = { numbersByIssuer: new Map(), count: 0, dueAtMs: undefined }

/** A serial number as everybody here writes it: hexadecimal, large letters, no leading zeros. */
export const certificateNumber = (hexadecimal: string): string =>
  hexadecimal
    .replace(/[^0-9a-f]/gi, '')
    .toUpperCase()
    .replace(/^0+(?=.)/, '')

/**
 * Reads a file of revocation lists, PEM (one or several) or DER (one). Throws an error with a reason for people when a list
 * cannot be read, is signed by none of the issuers, or is of a kind that says less than everything (delta, by reason).
 */
export async function readRevocations(file: Buffer, issuers: readonly X509Certificate[]): Promise<Revocations> {
  if (file.length > LIST_BYTES_MAX) throw new Error(`is larger than ${LIST_BYTES_MAX} bytes`)
  const pems = pemBlocks(file, 'X509 CRL', 'CRL') // The second is what some programs write.
  const lists = pems.length === 0 ? [parsed(file)] : pems.map(parsed)
  const numbersByIssuer = new Map<string, Set<string>>()
  let dueAtMs: number | undefined
  for (const list of lists) {
    const critical = list.extensions.find(({ critical }) => critical)
    if (critical !== undefined)
      throw new Error(`is not a complete list (critical extension ${critical.type}); give the complete one`)
    const issuer = await issuerOf(list, issuers)
    if (issuer === undefined) throw new Error('is not signed by a certificate of the CA file')
    const numbers = numbersByIssuer.get(issuer.fingerprint256) ?? new Set()
    numbersByIssuer.set(issuer.fingerprint256, numbers)
    for (const { serialNumber } of list.entries) numbers.add(certificateNumber(serialNumber))
    const nextAtMs = list.nextUpdate?.getTime()
    if (nextAtMs !== undefined) dueAtMs = Math.min(dueAtMs ?? nextAtMs, nextAtMs)
  }
  const count = [...numbersByIssuer.values()].reduce((sum, { size }) => sum + size, 0)
  return { numbersByIssuer, count, dueAtMs }
}

function parsed(list: string | Buffer): X509Crl {
  try {
    // Every node takes two bytes at least. The library by itself stops at 10 000, which are 2 500 certificates.
    return new X509Crl(list, { berOptions: { maxNodes: LIST_BYTES_MAX / 2 } })
  } catch (error) {
    throw new Error(`is no revocation list in PEM or DER (${error instanceof Error ? error.message : String(error)})`, {
      cause: error,
    })
  }
}

/** The one of the issuers that has signed the list. Issuers may share a name when their key was replaced. */
async function issuerOf(list: X509Crl, issuers: readonly X509Certificate[]): Promise<X509Certificate | undefined> {
  for (const issuer of issuers) {
    const certificate = new IssuerCertificate(issuer.raw)
    if (certificate.subject !== list.issuer) continue
    if (await list.verify({ publicKey: certificate }).catch(() => false)) return issuer
  }
  return undefined
}
