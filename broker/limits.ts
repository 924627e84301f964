/** Every bound of the broker that an operator may set, in one place; `contract/settings.ts` gives each its default. */
import { readSettings, type SettingName, type Settings } from '#contract/settings'

/** Bounds, each named by its unit. */
export type BrokerLimits = {
  /** Connections at one time, in all. */
  readonly connectionsMax: number
  /** Connections at one time from one address; loopback is not limited. */
  readonly connectionsPerAddressMax: number
  /** Connections that are not admitted yet. They cost memory and a sign-in each. */
  readonly halfOpenMax: number
  /** The same, from one address; loopback is not limited. */
  readonly halfOpenPerAddressMax: number
  /** From the socket to the CONNECT, a TLS handshake included, ms. */
  readonly connectMs: number
  /** Sign-ins of one terminal within a minute. */
  readonly connectsPerMinuteMax: number
  /** Wrong sign-ins from one address for one serial within a minute; with that many the pair is locked out for `lockoutS`. */
  readonly wrongSignInsPerMinuteMax: number
  /** Wrong sign-ins from one address within a minute, whatever the serial; loopback is not limited. */
  readonly wrongSignInsPerAddressMax: number
  /** How long a lockout lasts, s. */
  readonly lockoutS: number
  /** Largest packet until the terminal proved who it is, bytes after the fixed header: a CONNECT with its will. */
  readonly connectBytesMax: number
  /** Largest PUBLISH, bytes after the fixed header. Any other packet is held to `connectBytesMax`. */
  readonly packetBytesMax: number
  /** Longest topic or filter, bytes of UTF-8. */
  readonly topicBytesMax: number
  /** Levels of a topic or filter, parted by `/`. */
  readonly topicLevelsMax: number
  /** Filters in one SUBSCRIBE or UNSUBSCRIBE; none is granted. */
  readonly filtersPerSubscribeMax: number
  /** Packets of one connection that are taken and not answered yet; beyond it its socket is not read. */
  readonly inFlightMax: number
  /** Publications of one terminal in the long run; beyond it its socket is not read. */
  readonly publicationsPerSecondMax: number
  /** Publications of one terminal at once, after a time of silence: what it kept while it was away. */
  readonly publicationBurstMax: number
  /** PINGREQ, SUBSCRIBE and UNSUBSCRIBE of one connection within a minute. */
  readonly controlPacketsPerMinuteMax: number
  /** Longest keep alive that counts, s: a connection that says nothing for one and a half times as long is closed. */
  readonly keepaliveSMax: number
}

/** The setting of each bound. */
export const LIMIT_SETTINGS = {
  connectionsMax: 'CONNECTIONS_MAX',
  connectionsPerAddressMax: 'CONNECTIONS_PER_ADDRESS_MAX',
  halfOpenMax: 'MQTT_HALF_OPEN_MAX',
  halfOpenPerAddressMax: 'MQTT_HALF_OPEN_PER_ADDRESS_MAX',
  connectMs: 'MQTT_CONNECT_MS',
  connectsPerMinuteMax: 'MQTT_CONNECTS_PER_MINUTE_MAX',
  wrongSignInsPerMinuteMax: 'MQTT_WRONG_SIGN_INS_PER_MINUTE_MAX',
  wrongSignInsPerAddressMax: 'MQTT_WRONG_SIGN_INS_PER_ADDRESS_MAX',
  lockoutS: 'MQTT_LOCKOUT_S',
  connectBytesMax: 'MQTT_CONNECT_BYTES_MAX',
  packetBytesMax: 'MQTT_PACKET_BYTES_MAX',
  topicBytesMax: 'MQTT_TOPIC_BYTES_MAX',
  topicLevelsMax: 'MQTT_TOPIC_LEVELS_MAX',
  filtersPerSubscribeMax: 'MQTT_FILTERS_PER_SUBSCRIBE_MAX',
  inFlightMax: 'MQTT_IN_FLIGHT_MAX',
  publicationsPerSecondMax: 'MQTT_PUBLICATIONS_PER_SECOND_MAX',
  publicationBurstMax: 'MQTT_PUBLICATION_BURST_MAX',
  controlPacketsPerMinuteMax: 'MQTT_CONTROL_PACKETS_PER_MINUTE_MAX',
  keepaliveSMax: 'MQTT_KEEPALIVE_S_MAX',
} as const satisfies Record<keyof BrokerLimits, SettingName>

/** The bounds as they are set. */
export const limitsOf = (settings: Pick<Settings, (typeof LIMIT_SETTINGS)[keyof BrokerLimits]>): BrokerLimits => ({
  connectionsMax: settings[LIMIT_SETTINGS.connectionsMax],
  connectionsPerAddressMax: settings[LIMIT_SETTINGS.connectionsPerAddressMax],
  halfOpenMax: settings[LIMIT_SETTINGS.halfOpenMax],
  halfOpenPerAddressMax: settings[LIMIT_SETTINGS.halfOpenPerAddressMax],
  connectMs: settings[LIMIT_SETTINGS.connectMs],
  connectsPerMinuteMax: settings[LIMIT_SETTINGS.connectsPerMinuteMax],
  wrongSignInsPerMinuteMax: settings[LIMIT_SETTINGS.wrongSignInsPerMinuteMax],
  wrongSignInsPerAddressMax: settings[LIMIT_SETTINGS.wrongSignInsPerAddressMax],
  lockoutS: settings[LIMIT_SETTINGS.lockoutS],
  connectBytesMax: settings[LIMIT_SETTINGS.connectBytesMax],
  packetBytesMax: settings[LIMIT_SETTINGS.packetBytesMax],
  topicBytesMax: settings[LIMIT_SETTINGS.topicBytesMax],
  topicLevelsMax: settings[LIMIT_SETTINGS.topicLevelsMax],
  filtersPerSubscribeMax: settings[LIMIT_SETTINGS.filtersPerSubscribeMax],
  inFlightMax: settings[LIMIT_SETTINGS.inFlightMax],
  publicationsPerSecondMax: settings[LIMIT_SETTINGS.publicationsPerSecondMax],
  publicationBurstMax: settings[LIMIT_SETTINGS.publicationBurstMax],
  controlPacketsPerMinuteMax: settings[LIMIT_SETTINGS.controlPacketsPerMinuteMax],
  keepaliveSMax: settings[LIMIT_SETTINGS.keepaliveSMax],
})

/** The bounds of a broker for which nothing is set. */
export const BROKER_LIMITS: BrokerLimits = limitsOf(readSettings({}))
