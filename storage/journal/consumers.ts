/** Those that must be done with a record before it may be dropped. Fixed, so that a consumer that is away is waited for. */
export const JOURNAL_CONSUMERS = ['detect', 'telemetry'] as const
export type JournalConsumer = (typeof JOURNAL_CONSUMERS)[number]
