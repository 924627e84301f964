import { Counter, Gauge, type Registry } from 'prom-client'

type Registers = Registry[]

/** What ingest counts. Never a label per lift: the number of series is bounded by this file. */
export const newCounters = (metrics: Registry) => ({
  ...ofReaders([metrics]),
  ...ofHours([metrics]),
})
export type Counters = ReturnType<typeof newCounters>

function ofReaders(registers: Registers) {
  return {
    messages: new Counter({
      name: 'tiwang_ingest_messages_total',
      help: 'Messages taken from the journal',
      labelNames: ['kind'],
      registers,
    }),
    quarantined: new Counter({
      name: 'tiwang_ingest_quarantined_total',
      help: 'Messages put in quarantine',
      labelNames: ['reason'],
      registers,
    }),
    quarantineDropped: new Counter({
      name: 'tiwang_ingest_quarantine_dropped_total',
      help: 'Quarantine rows dropped because the register was away for too long',
      registers,
    }),
    unknownFields: new Counter({
      name: 'tiwang_ingest_unknown_fields_total',
      help: 'Fields outside the contract, dropped',
      registers,
    }),
    unknownCodes: new Counter({
      name: 'tiwang_ingest_unknown_codes_total',
      help: 'Codes outside the fault table, recorded',
      registers,
    }),
    changes: new Counter({
      name: 'tiwang_ingest_alarm_changes_total',
      help: 'Changes decided by detection',
      labelNames: ['kind', 'event'],
      registers,
    }),
    detectLag: new Gauge({
      name: 'tiwang_ingest_detect_lag_records',
      help: 'Records that detection has not read yet',
      registers,
    }),
    telemetryLag: new Gauge({
      name: 'tiwang_ingest_telemetry_lag_records',
      help: 'Records that the telemetry store has not taken yet',
      registers,
    }),
    shares: new Gauge({
      name: 'tiwang_ingest_shares',
      help: 'Shares of the journal that this worker works',
      registers,
    }),
    points: new Counter({
      name: 'tiwang_ingest_points_total',
      help: 'Points taken by the telemetry store',
      labelNames: ['measurement'],
      registers,
    }),
    retries: new Counter({
      name: 'tiwang_ingest_retries_total',
      help: 'Steps tried again because a store was away',
      labelNames: ['store'],
      registers,
    }),
  }
}

function ofHours(registers: Registers) {
  return {
    hours: new Counter({
      name: 'tiwang_ingest_hours_total',
      help: 'Hours of lifts whose figures were computed and stored, each time anew',
      registers,
    }),
    hoursLeftOut: new Counter({
      name: 'tiwang_ingest_hours_left_out_total',
      help: 'Hours of lifts whose figures were not computed: their samples are past the retention, too many, fewer than before, or the figures were refused',
      labelNames: ['reason'],
      registers,
    }),
    hoursSetBack: new Counter({
      name: 'tiwang_ingest_hours_set_back_total',
      help: 'Hours of lifts that are tried again later: their samples could not be read, or took too long',
      labelNames: ['reason'],
      registers,
    }),
    hoursWaiting: new Gauge({
      name: 'tiwang_ingest_hours_waiting',
      help: 'Hours of the lifts of this worker that have ended and whose figures are to be computed',
      registers,
    }),
  }
}
