/** Writes a demonstration town (演示城镇) into a register that holds no real lifts. */
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import type { Lift, Organisation } from '#contract/register'
import type { Register } from '#storage/register/register'
import { hashTerminalSecret, newTerminalSecret } from '#storage/register/secrets'

type Town = {
  readonly organisations: readonly Organisation[]
  readonly lifts: readonly Lift[]
  readonly terminals: readonly { readonly serial: TerminalSerial; readonly lift: LiftId }[]
}
type TerminalWithSecret = Town['terminals'][number] & { readonly secret: string }

/**
 * Does nothing in a register that has terminals or real lifts. `keepSecrets` puts the secrets where the simulator finds them;
 * it comes first and the terminals last, so that a start that was cut short is done again as a whole.
 */
export async function seedDemonstration(o: {
  readonly register: Pick<Register, 'lifts' | 'organisations' | 'terminals'>
  readonly town: (boundAtMs: number) => Town
  readonly keepSecrets: (terminals: TerminalWithSecret[]) => Promise<void>
  readonly log: Log
  readonly nowMs: () => number
}): Promise<void> {
  const { register } = o
  if ((await register.terminals.all()).length > 0) return
  if ((await register.lifts.all({ all: true })).some(({ simulated }) => !simulated)) return
  const boundAtMs = o.nowMs()
  const town = o.town(boundAtMs)
  const terminals = town.terminals.map(({ serial, lift }) => ({ serial, lift, secret: newTerminalSecret() }))
  await o.keepSecrets(terminals)
  await register.organisations.put(town.organisations)
  await register.lifts.put(town.lifts)
  const rows = await Promise.all(
    terminals.map(async ({ serial, lift, secret }) => ({
      ...{ serial, lift, boundAtMs, revokedAtMs: null },
      secretHash: await hashTerminalSecret(secret),
    })),
  )
  await register.terminals.put(rows)
  o.log.info('town.seeded', { liftCount: town.lifts.length })
}
