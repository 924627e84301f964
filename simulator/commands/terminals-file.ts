/** The credentials file of the command line, and the town and terminals that a command is to run. */
import {
  CredentialsError,
  readCredentials,
  type SimulatedTerminal,
  type SimulatedTerminals,
} from '../terminal/credentials.ts'
import { generateTown, type Town } from '../town/town.ts'
import { DEFAULT_LIFTS, DEFAULT_SEED, reasonOf, WishError } from './options.ts'

/** Throws `WishError`. */
export function readTerminalsFile(path: string): Promise<SimulatedTerminals> {
  return readCredentials(path).catch((error: unknown) => {
    if (error instanceof CredentialsError) throw new WishError(`--credentials: ${error.message}.`)
    throw new WishError(`--credentials ${path}: cannot be read (${reasonOf(error)}).`)
  })
}

/** The town and the terminals that are to run, from the file or from the seed alone. Throws `WishError`. */
export async function gatherTown(o: {
  credentialsPath: string | undefined
  seed: number | undefined
  liftCount: number | undefined
  nowMs: number
}): Promise<{ town: Town; terminals: readonly SimulatedTerminal[]; seed: number }> {
  const { credentialsPath, liftCount, nowMs: boundAtMs } = o
  if (credentialsPath === undefined) {
    const seed = o.seed ?? DEFAULT_SEED
    const town = generateTown({ seed, liftCount: liftCount ?? DEFAULT_LIFTS, boundAtMs })
    return { town, terminals: town.terminals.map(({ serial, lift }) => ({ serial, lift, secret: '' })), seed }
  }
  const file = await readTerminalsFile(credentialsPath)
  if (file.terminals.length < (liftCount ?? 0))
    throw new WishError(`--lifts ${liftCount}: the file has only ${file.terminals.length} terminals.`)
  const town = generateTown({ seed: file.seed, liftCount: file.liftCount, boundAtMs })
  return { town, terminals: file.terminals.slice(0, liftCount), seed: o.seed ?? file.seed }
}
