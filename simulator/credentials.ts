/** The file in which the platform leaves the secrets of the simulated terminals for the simulator. Only its owner may read it. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { LiftId, TerminalSerial } from '#contract/ids'

const SimulatedTerminal = Type.Object({
  serial: TerminalSerial,
  lift: LiftId,
  secret: Type.String({ minLength: 1, maxLength: 200 }),
})
export type SimulatedTerminal = Static<typeof SimulatedTerminal>

const SimulatedTerminals = Type.Object({
  seed: Type.Integer({ description: 'Seed of the town' }),
  liftCount: Type.Integer({ minimum: 0, description: 'Lifts of the town' }),
  terminals: Type.Array(SimulatedTerminal),
})
export type SimulatedTerminals = Static<typeof SimulatedTerminals>

const validator = Compile(SimulatedTerminals)

/** The file is there but is not what `writeCredentials` writes. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}

/** Rejects with the error of the file system (`code` ENOENT when there is none) or with `CredentialsError`. */
export async function readCredentials(path: string): Promise<SimulatedTerminals> {
  const text = await readFile(path, 'utf8')
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new CredentialsError(`${path} is not JSON`)
  }
  if (validator.Check(content)) return content
  const [first] = validator.Errors(content)
  throw new CredentialsError(
    `${path} is no file of simulated terminals: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
  )
}

/** Writes beside the file and renames, so that a reader never sees half of it. Mode 0600. */
export async function writeCredentials(path: string, credentials: SimulatedTerminals): Promise<void> {
  const { seed, liftCount } = credentials
  const terminals = credentials.terminals.map(({ serial, lift, secret }) => ({ serial, lift, secret }))
  const besidePath = `${path}.${process.pid}.new`
  await rm(besidePath, { force: true })
  // `wx` with a mode: the file never exists with wider rights than these.
  await writeFile(besidePath, JSON.stringify({ seed, liftCount, terminals }, null, 1) + '\n', {
    mode: 0o600,
    flag: 'wx',
  })
  await rename(besidePath, path)
}
