/** Every bound of the broker that an operator may set, in one place; `contract/settings.ts` gives each its variable. */

export type BrokerLimits = {
  /** Connections at one time, in all. */
  readonly connectionsMax: number
  /** Connections at one time from one address; loopback is not limited. */
  readonly connectionsPerAddressMax: number
  /** Connections that are not admitted yet. They cost memory and a sign-in each. */
  readonly halfOpenMax: number
  /** Longest keep alive that counts, s: a connection that says nothing for one and a half times as long is closed. */
  readonly keepaliveSMax: number
}

export const BROKER_LIMITS: BrokerLimits = {
  connectionsMax: 20_000,
  connectionsPerAddressMax: 1_000,
  halfOpenMax: 5_000,
  keepaliveSMax: 300,
}
