import { Counter, Gauge, type Registry } from 'prom-client'

/** What the listener for subscribers counts. */
export type SubscriberCounts = ReturnType<typeof subscriberCounts>

/** The counters in the metrics of the process, which may hold them once only. */
export function subscriberCounts(metrics: Registry) {
  const registers = [metrics]
  return {
    connections: new Gauge({ name: 'tiwang_subscribers', help: 'Subscribers signed in over MQTT', registers }),
    messages: new Counter({ name: 'tiwang_subscriber_messages_total', help: 'Alarm changes handed over', registers }),
    refusals: new Counter({
      name: 'tiwang_subscriber_refusals_total',
      help: 'Subscribers refused or cut, by reason',
      labelNames: ['code'] as const,
      registers,
    }),
  }
}
