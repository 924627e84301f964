/** What the broker counts. Never a label per lift or terminal. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { ADMISSION_REFUSALS, type AdmissionRefusal } from '#contract/errors'
import { MESSAGE_KINDS } from '#contract/topics'

export type BrokerMetrics = ReturnType<typeof brokerMetrics>

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
  // A series that appears only with its first refusal hides that refusal from a rate.
  for (const kind of MESSAGE_KINDS) published.inc({ kind }, 0)
  for (const code of Object.keys(ADMISSION_REFUSALS) as AdmissionRefusal[]) refusals.inc({ code }, 0)
  return {
    published,
    refusals,
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
