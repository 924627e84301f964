/** What the process that was started and its load processes say to one another over Node's own channel. */
import type { BrokerAddress } from './link.ts'
import type { LoadReport } from './load-counts.ts'
import type { SimulatedTerminalOrGuest } from './session.ts'
import type { Rate } from './sessions.ts'

export type StartQuestion = {
  readonly kind: 'start'
  readonly broker: BrokerAddress
  readonly terminals: readonly SimulatedTerminalOrGuest[]
  readonly first: number
  readonly boot: number
  readonly inFlight: number
  readonly connectRate: number
  readonly rate: Rate
  readonly seed: number
}
export type ToLoadProcess =
  | StartQuestion
  | { readonly kind: 'speak'; readonly rate: Rate }
  | { readonly kind: 'tell' }
  | { readonly kind: 'leave'; readonly drainMsMax: number }

/** `ready` once, `report` again and again, `told` for each `tell`, `left` last. */
export type FromLoadProcess = { readonly kind: 'ready' | 'report' | 'told' | 'left'; readonly report: LoadReport }
