/** The file in which the platform leaves the secrets of the simulated terminals for the simulator. Only its owner may read it. */
import { readFile } from 'node:fs/promises'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { LiftId, TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import { writeWhole } from '../whole-file.ts'

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

/** A reader never sees half of it. Mode 0600. */
export async function writeCredentials(path: string, credentials: SimulatedTerminals): Promise<void> {
  const { seed, liftCount } = credentials
  const terminals = credentials.terminals.map(({ serial, lift, secret }) => ({ serial, lift, secret }))
  await writeWhole(path, JSON.stringify({ seed, liftCount, terminals }, null, 1) + '\n')
}

const WAIT_MS = 1_000
const WAITS_MAX = 120

/**
 * The same as `readCredentials`, but a file that is not there yet is waited for, two minutes at most: in a deployment of
 * several processes the simulator may be up before the town is written.
 */
export async function waitForCredentials(path: string, log: Log): Promise<SimulatedTerminals> {
  for (let waitCount = 0; ; waitCount += 1) {
    const credentials = await readCredentials(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (credentials !== undefined) return credentials
    if (waitCount === WAITS_MAX)
      throw new Error(
        `There are no credentials of simulated terminals at ${path}. The api part writes them when DEMO_LIFTS is not 0.`,
      )
    if (waitCount === 0) log.info('simulator.started', { waitingFor: path })
    await new Promise((wake) => setTimeout(wake, WAIT_MS))
  }
}
