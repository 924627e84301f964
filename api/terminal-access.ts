/** What a terminal must be told once so that it can speak: who it is, its secret, and where its topics are. */
import { Type, type Static } from 'typebox'
import { RegisteredTerminal } from '#contract/register'
import { deviceTopic, MESSAGE_KINDS, type MessageKind } from '#contract/topics'
import { toWire, wireSchema, type Wire } from '#contract/wire'
import type { KnownTerminal } from '#storage/register/register'

/** Where the brokers of the devices listen. The host is the installation's own; `tlsPort` is null when there is no TLS. */
export type DeviceDoors = { readonly port: number; readonly tlsPort: number | null }

export const TerminalOnWire = wireSchema(RegisteredTerminal)
const Topics = Type.Object(
  Object.fromEntries(MESSAGE_KINDS.map((kind) => [kind, Type.String()])) as Record<MessageKind, Type.TString>,
)
const Access = Type.Object({
  secret: Type.Union([Type.String(), Type.Null()], {
    description: 'The MQTT password, told this one time; null for a terminal with a certificate',
  }),
  mqtt: Type.Object({
    username: Type.String({ description: 'The serial number' }),
    port: Type.Integer(),
    tlsPort: Type.Union([Type.Integer(), Type.Null()]),
    webSocketPath: Type.String(),
    topics: Type.Union([Topics, Type.Null()], { description: 'Null while the terminal is bound to no lift' }),
  }),
})
export const TerminalAccess = Type.Unsafe<Wire<RegisteredTerminal> & Static<typeof Access>>(
  Type.Intersect([TerminalOnWire, Access]),
)
export type TerminalAccess = Static<typeof TerminalAccess>

/** The row without what stays inside. */
export const terminalAnswer = ({ secretHash, revision: _, ...terminal }: KnownTerminal): Wire<RegisteredTerminal> =>
  toWire({ ...terminal, credential: secretHash === null ? 'certificate' : 'secret' })

/** The row with what its terminal needs to connect. */
export const accessAnswer = (row: KnownTerminal, secret: string | null, doors: DeviceDoors): TerminalAccess => ({
  ...terminalAnswer(row),
  secret,
  mqtt: { username: row.serial, ...doors, webSocketPath: '/mqtt', topics: topicsOf(row) },
})

function topicsOf({ lift }: Pick<KnownTerminal, 'lift'>): Static<typeof Topics> | null {
  if (lift === null) return null
  const topic = (kind: MessageKind) => deviceTopic(lift, kind)
  return {
    status: topic('status'),
    statistics: topic('statistics'),
    message: topic('message'),
    connection: topic('connection'),
  }
}
