/** Every log line is an event with a name from this list; ids and numbers are fields, the sentence is fixed. */
export const LOG_EVENTS = {
  'platform.ready': 'ready',
  'platform.stopping': 'stopping',
  'platform.failed': 'a part failed; stopping',
  'town.seeded': 'demonstration town written to the register',
  'journal.opened': 'journal opened',
  'journal.tornTail': 'torn tail cut off the journal; none of it was acknowledged',
  'journal.syncFailed': 'journal could not be synced; nothing is acknowledged until it can',
  'journal.degraded': 'journal takes no messages',
  'journal.short': 'journal takes only urgent messages; room runs out',
  'journal.recovered': 'journal takes messages again',
  'journal.damaged': 'records of the journal are missing or cannot be read; everything else is there',
  'journal.resized': 'the largest size of the journal stream was changed to what this process was told',
  'journal.callerThrew': 'a caller threw when it was told about its record',
  'register.migrated': 'register migrated',
  'register.away': 'register is away; retrying',
  'register.back': 'register is back',
  'telemetry.away': 'telemetry store is away; the journal keeps everything; retrying',
  'telemetry.back': 'telemetry store is back',
  'telemetry.refused': 'telemetry store refused a point; quarantined',
  'telemetry.notPrepared':
    'database or retention of the telemetry store could not be set up; whoever runs the server has to do it',
  'telemetry.tooOld': 'samples older than TELEMETRY_RETENTION_DAYS are not kept',
  'telemetry.expired': 'telemetry past its retention was removed',
  'telemetry.notExpired': 'telemetry past its retention could not be removed; trying again in an hour',
  'figures.away': 'hourly figures cannot be computed; what is to be computed is kept; retrying',
  'figures.back': 'hourly figures are computed again',
  'figures.leftOut': 'hours whose figures are not computed; what is stored of them stays',
  'figures.late': 'computing hours took too long; they are computed again',
  'figures.setBack': 'the samples of an hour could not be read; it is tried again in a minute',
  'bus.away': 'bus is away; retrying',
  'bus.back': 'bus is back',
  'bus.listenerThrew': 'a bus listener threw; the others are not disturbed',
  'broker.listening': 'broker listens',
  'broker.fewerConnections': 'fewer connections fit than CONNECTIONS_MAX: raise the limit of open files',
  'broker.silent': 'no word from any broker: terminals are not heard',
  'broker.heard': 'a broker is heard again',
  'broker.refused': 'device refused',
  'broker.error': 'broker error, connection closed',
  'broker.tlsTaken': 'certificates and revocation list read',
  'broker.tlsKept': 'certificates or revocation list cannot be used; those in force stay',
  'broker.listExpired': 'revocation list is past its next update; it stays in force',
  'terminal.takenOver': 'terminal connected again; its older connection was closed',
  'terminal.connected': 'terminal connected',
  'terminal.disconnected': 'terminal disconnected',
  'message.quarantined': 'message quarantined',
  'alarm.changed': 'alarm changed',
  'ingest.restored': 'ingest restored its states',
  'ingest.shares': 'the shares that this worker works changed',
  'ingest.retry': 'ingest step failed; retrying',
  'api.listening': 'api listens',
  'api.request': 'request',
  'api.error': 'request failed',
  'session.opened': 'signed in',
  'session.refused': 'sign-in refused',
  'claim.taken': 'claim code used',
  'claim.refused': 'claim refused',
  'subscribers.listening': 'MQTT for subscribers to alarms listens',
  'subscribers.error': 'MQTT for subscribers failed, connection closed',
  'subscriber.joined': 'subscriber joined',
  'subscriber.left': 'subscriber left',
  'live.joined': 'live viewer joined',
  'live.left': 'live viewer left',
  'simulator.started': 'simulator started',
  'simulator.absent': 'no simulated terminals: their credentials cannot be read',
  'simulator.scenario': 'simulator scenario',
  'simulator.link': 'simulated terminal lost its link',
  'simulator.forgetful': 'counters of the simulated terminals cannot be kept or read; after a crash they may jump',
  'history.begun': 'the past of the demonstration town is being made',
  'history.progress': 'the past of the demonstration town is being stored',
  'history.done': 'the past of the demonstration town is there',
  'history.stopped': 'the past of the demonstration town is not whole; the next start makes it again',
  'history.failed': 'the past of the demonstration town could not be made or stored; the next start tries again',
} as const
export type LogEvent = keyof typeof LOG_EVENTS

type Fields = Readonly<Record<string, unknown>>
/** What parts log through: pino underneath, made in `main.ts` and passed in. `warn` = the other side's fault, `error` = ours. */
export interface Log {
  debug(event: LogEvent, fields?: Fields): void
  info(event: LogEvent, fields?: Fields): void
  warn(event: LogEvent, fields?: Fields): void
  error(event: LogEvent, fields?: Fields): void
}

/** For tests and tools that do not care. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
