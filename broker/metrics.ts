/** What the broker counts. Never a label per lift or terminal. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { ADMISSION_REFUSALS, type AdmissionRefusal } from '#contract/errors'
import { MESSAGE_KINDS } from '#contract/topics'

export type BrokerMetrics = ReturnType<typeof brokerMetrics>

/** The counters and gauges of a broker, all of them there from the start. */
export function brokerMetrics(registry: Registry) {
  const registers = [registry]
  const published = new Counter({
    name: 'tiwang_broker_published_total',
    help: 'Publications and wills that the journal has taken',
    labelNames: ['kind'] as const,
    registers,
  })
  const refusals = new Counter({
    name: 'tiwang_broker_refusals_total',
    help: 'Connections, publications and subscriptions refused at the door',
    labelNames: ['code'] as const,
    registers,
  })
  const takeovers = new Counter({
    name: 'tiwang_broker_takeovers_total',
    help: 'Connections closed because their terminal connected again, here or on another broker',
    labelNames: ['where'] as const,
    registers,
  })
  for (const where of ['here', 'elsewhere']) takeovers.inc({ where }, 0)
  const held = new Counter({
    name: 'tiwang_broker_held_total',
    help: 'Times that a connection was no longer read: more a second than a terminal may say, or too much waits for the journal',
    labelNames: ['reason'] as const,
    registers,
  })
  for (const reason of ['rate', 'waiting']) held.inc({ reason }, 0)
  // A series that appears only with its first refusal hides that refusal from a rate.
  for (const kind of MESSAGE_KINDS) published.inc({ kind }, 0)
  for (const code of Object.keys(ADMISSION_REFUSALS) as AdmissionRefusal[]) refusals.inc({ code }, 0)
  return {
    published,
    refusals,
    takeovers,
    held,
    withheld: new Counter({
      name: 'tiwang_broker_withheld_total',
      help: 'Publications left without a PUBACK because only urgent ones are taken while room runs out; their connection stays open',
      registers,
    }),
    connections: new Gauge({ name: 'tiwang_broker_connections', help: 'Terminals connected now', registers }),
    acknowledged: new Counter({
      name: 'tiwang_broker_acknowledged_total',
      help: 'QoS 1 publications handed to the socket as PUBACK, after the journal had them',
      registers,
    }),
    bytes: new Counter({
      name: 'tiwang_broker_bytes_total',
      help: 'Payload bytes that the journal has taken',
      registers,
    }),
    ackSeconds: new Histogram({
      name: 'tiwang_broker_ack_seconds',
      help: 'From reading a publication to its acknowledgement, s',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
  }
}

export type TlsMetrics = ReturnType<typeof tlsMetrics>

/** Only of a broker with a TLS listener. */
export function tlsMetrics(registry: Registry) {
  const registers = [registry]
  const reloads = new Counter({
    name: 'tiwang_broker_tls_reloads_total',
    help: 'Changes of certificate files that were taken, and tries after which the old ones were kept',
    labelNames: ['result'] as const,
    registers,
  })
  for (const result of ['taken', 'kept']) reloads.inc({ result }, 0)
  return {
    reloads,
    overdueList: new Counter({
      name: 'tiwang_broker_tls_overdue_list_total',
      help: 'Terminals admitted by certificate while the revocation list was past its next update',
      registers,
    }),
    endsAt: new Gauge({
      name: 'tiwang_broker_tls_ends_at_seconds',
      help: 'When the certificate of the listener ends and the revocation list is due, Unix s; 0 = never',
      labelNames: ['what'] as const,
      registers,
    }),
  }
}

/** What the bounded memories of admission had to forget. */
export function countForgotten(registry: Registry, droppedCounts: Readonly<Record<string, () => number>>): void {
  new Gauge({
    name: 'tiwang_broker_forgotten',
    help: 'Entries that the bounded memories of admission dropped to make room, since the start',
    labelNames: ['memory'] as const,
    registers: [registry],
    collect() {
      for (const [memory, droppedCount] of Object.entries(droppedCounts)) this.set({ memory }, droppedCount())
    },
  })
}
