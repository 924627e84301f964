/** One connection of a terminal to its broker, as the terminal meets it: over a network, or on a virtual clock without one. */
import type { Static } from 'typebox'
import type { ConnectionOffline } from '#contract/telemetry'
import type { MessageKind } from '#contract/topics'
import type { SimulatedTerminal } from './credentials.ts'

/** A broker that hears nothing for one and a half times as long takes the terminal for gone: MQTT-3.1.2-24. */
export const KEEPALIVE_S = 60

export type WireEvents = {
  /** The broker has let the terminal in. Never called before the wire was handed over. */
  readonly onOpen: () => void
  /** It never opened, or it is gone. */
  readonly onClosed: (reason: string) => void
}
export type WireMessage = {
  readonly kind: MessageKind
  readonly payload: string
  /** It was under way on a connection that was lost: DUP, MQTT-3.3.1-1. */
  readonly isRedelivered: boolean
}
export type Wire = {
  /** `onTaken` is called when the broker has acknowledged it, and never when that does not happen. */
  publish(message: WireMessage, onTaken: () => void): void
  /** Closes it without a goodbye. */
  cut(): void
  /** Not a byte more, in either direction. The socket stays open, as with a dead radio; the broker finds out by itself. */
  freeze(): void
  /** Says goodbye and closes. Takes two seconds at most. */
  leave(): Promise<void>
}
/** Begins to open a wire whose last will is `offlinePayload`. */
export type OpenWire = (identity: SimulatedTerminal, events: WireEvents) => Wire

/** What the last will says, and a terminal that says goodbye. */
export function offlinePayload({ serial }: Pick<SimulatedTerminal, 'serial'>): string {
  const offline: Static<typeof ConnectionOffline> = { v: 1, state: 'offline', terminal: serial }
  return JSON.stringify(offline)
}
