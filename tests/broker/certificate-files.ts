/** A certificate authority that lives for one test, and the files that it writes. */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  PemConverter,
  X509CertificateGenerator,
  X509CrlGenerator,
  type X509Certificate,
} from '@peculiar/x509'
import type { CertificateFiles } from '#broker/certificates'

const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

export type Issued = {
  readonly certificate: X509Certificate
  /** PEM, as TLS wants them. */
  readonly cert: string
  readonly key: string
}

export class Authority {
  readonly certificate: X509Certificate
  readonly #keys: webcrypto.CryptoKeyPair

  private constructor(certificate: X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.certificate = certificate
    this.#keys = keys
  }

  static async found(name = 'Test CA'): Promise<Authority> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      serialNumber: '01',
      notBefore: new Date(Date.now() - 400 * DAY_MS),
      notAfter: new Date(Date.now() + 400 * DAY_MS),
      keys,
      signingAlgorithm: KEYS,
      extensions: [new BasicConstraintsExtension(true, 1, true)],
    })
    return new Authority(certificate, keys)
  }

  /** An authority whose certificate this one has issued. */
  async foundBelow(name: string): Promise<Authority> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: this.certificate.subject,
      serialNumber: '02',
      notBefore: new Date(Date.now() - 400 * DAY_MS),
      notAfter: new Date(Date.now() + 400 * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: KEYS,
      extensions: [new BasicConstraintsExtension(true, 0, true)],
    })
    return new Authority(certificate, keys)
  }

  async issue(
    name: string,
    o: { fromMs?: number; toMs?: number; usage?: 'clientAuth' | 'serverAuth'; number?: string } = {},
  ): Promise<Issued> {
    const keys = await newKeys()
    const usage = o.usage ?? 'clientAuth'
    const certificate = await X509CertificateGenerator.create({
      subject: name,
      issuer: this.certificate.subject,
      serialNumber: o.number ?? `00${randomBytes(8).toString('hex')}`,
      notBefore: new Date(o.fromMs ?? Date.now() - DAY_MS),
      notAfter: new Date(o.toMs ?? Date.now() + 100 * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: KEYS,
      extensions: [new ExtendedKeyUsageExtension([ExtendedKeyUsage[usage]])],
    })
    const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
    return { certificate, cert: certificate.toString('pem'), key: PemConverter.encode(key, 'PRIVATE KEY') }
  }

  /** A revocation list in PEM. */
  async list(
    revoked: readonly { readonly certificate: Pick<X509Certificate, 'serialNumber'> }[],
    o: { nextMs?: number; isDelta?: boolean; issuer?: string } = {},
  ) {
    const list = await X509CrlGenerator.create({
      issuer: o.issuer ?? this.certificate.subject,
      thisUpdate: new Date(Date.now() - 2 * DAY_MS),
      nextUpdate: new Date(o.nextMs ?? Date.now() + DAY_MS),
      entries: revoked.map(({ certificate: { serialNumber } }) => ({ serialNumber, revocationDate: new Date() })),
      signingAlgorithm: KEYS,
      signingKey: this.#keys.privateKey,
      // The delta indicator (RFC 5280 §5.2.4) with base number 1.
      extensions: o.isDelta === true ? [new Extension('2.5.29.27', true, Buffer.from([2, 1, 1]))] : [],
    })
    return list.toString('pem')
  }
}

const newKeys = async (): Promise<webcrypto.CryptoKeyPair> =>
  await webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify'])

/** Writes files as an operator would: whole, then renamed. */
export class CertificateFolder {
  readonly files: CertificateFiles
  constructor(folder: string, o: { withList?: boolean; withIssuers?: boolean } = {}) {
    const path = (name: string) => join(folder, name)
    this.files = {
      certificate: path('server.pem'),
      key: path('server.key'),
      issuers: o.withIssuers === false ? '' : path('ca.pem'),
      revocations: o.withList === false ? '' : path('crl.pem'),
    }
  }

  async write(content: Partial<Record<keyof CertificateFiles, string | Uint8Array>>): Promise<void> {
    for (const [name, text] of Object.entries(content)) {
      const path = this.files[name as keyof CertificateFiles]
      await writeFile(`${path}.new`, text)
      await rename(`${path}.new`, path)
    }
  }
}
