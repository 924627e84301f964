/** Every bound of the listener for subscribers. */
export type SubscriberLimits = {
  readonly connectionsMax: number
  readonly connectionsPerPersonMax: number
  /** Connections that did not sign in yet, in all and of one address. */
  readonly halfOpenMax: number
  readonly halfOpenPerAddressMax: number
  /** Connections of one address within a minute. */
  readonly connectsPerMinuteMax: number
  readonly filtersMax: number
  /** PINGREQ, SUBSCRIBE and UNSUBSCRIBE of one connection within a minute; beyond it the connection is cut. */
  readonly controlPacketsPerMinuteMax: number
  /** Largest packet before and after the sign-in, bytes after the fixed header. */
  readonly connectBytesMax: number
  readonly packetBytesMax: number
  /** Longest keep alive that counts, s: one who asks for more, or none, is held to this. */
  readonly keepaliveSMax: number
  /** From the socket to the CONNECT, and from there to its answer, ms. */
  readonly connectMs: number
  readonly answerMs: number
  /** What a subscriber may leave unread, bytes, and unacknowledged, messages; beyond it the connection is cut. */
  readonly unreadBytesMax: number
  readonly unackedMax: number
  /** How long a full socket may stay full, ms. */
  readonly drainMs: number
  /** Open alarms that are told on SUBSCRIBE, and changes that may wait meanwhile. */
  readonly openAlarmsMax: number
  /** Open alarms of a filter that was told so short ago, and kept since, are not read again, ms. */
  readonly retellMs: number
  readonly waitingMax: number
  /** Between two looks at the people who are connected, ms. */
  readonly recheckMs: number
}

export const SUBSCRIBER_LIMITS: SubscriberLimits = {
  connectionsMax: 200,
  connectionsPerPersonMax: 10,
  halfOpenMax: 50,
  halfOpenPerAddressMax: 20,
  connectsPerMinuteMax: 60,
  filtersMax: 20,
  controlPacketsPerMinuteMax: 120,
  connectBytesMax: 4 * 1024,
  packetBytesMax: 8 * 1024,
  keepaliveSMax: 300,
  connectMs: 5_000,
  answerMs: 5_000,
  unreadBytesMax: 4 * 1024 * 1024,
  unackedMax: 10_000,
  drainMs: 10_000,
  openAlarmsMax: 5_000,
  retellMs: 10_000,
  waitingMax: 1_000,
  recheckMs: 3_000,
}
