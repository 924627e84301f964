/** Keys and signatures of reports: Ed25519 over the very bytes of the report. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const KEY_FILE = 'conformance-key.pem'

/** A key that cannot be used; the message says why, in one sentence. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
}

/** Reads a private key (PKCS#8 PEM, Ed25519). Rejects with `KeyError`. */
export async function readKey(path: string): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new KeyError(`${path} cannot be read (${error.code ?? error.message}).`)
  })
  try {
    const key = createPrivateKey({ key: pem, format: 'pem', type: 'pkcs8' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    throw new KeyError(`${path} holds no private key in PKCS#8 PEM.`)
  }
  throw new KeyError(`${path} holds a key of another kind; give an Ed25519 key.`)
}

/** The key of a folder, made at the first use, mode 0600. `isNew` = it was made just now. */
export async function openKey(folder: string): Promise<{ key: KeyObject; path: string; isNew: boolean }> {
  const path = join(folder, KEY_FILE)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { privateKey } = generateKeyPairSync('ed25519')
  const beside = `${path}.${randomUUID()}`
  try {
    await writeFile(beside, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' })
    // A link appears whole and replaces nothing: neither half a key nor another one, also with two runs at the same moment.
    await link(beside, path)
    return { key: privateKey, path, isNew: true }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // errors of the file system carry a code
    return { key: await readKey(path), path, isNew: false }
  } finally {
    await rm(beside, { force: true })
  }
}

/** The public key as it is printed and compared: base64 of its 44 bytes of SPKI DER. */
export const publicKeyOf = (key: KeyObject): string =>
  (key.type === 'public' ? key : createPublicKey(key)).export({ format: 'der', type: 'spki' }).toString('base64')

/** A short name of a public key, to be read out over a telephone. */
export const fingerprintOf = (publicKey: string): string =>
  createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex').slice(0, 16)

export const signText = (text: string, key: KeyObject): string => sign(null, Buffer.from(text), key).toString('base64')

/** Whether the text was signed by that key. Total: false for a key or a signature that is none. */
export function isSignedBy(text: string, signature: string, publicKey: string): boolean {
  const bytes = Buffer.from(signature, 'base64')
  if (bytes.toString('base64') !== signature) return false
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' })
    // Base64 and DER have several spellings of the same thing; only one is taken, so that no byte may be changed.
    const isPlain = key.asymmetricKeyType === 'ed25519' && publicKeyOf(key) === publicKey
    return isPlain && verify(null, Buffer.from(text), key, bytes)
  } catch {
    return false
  }
}
