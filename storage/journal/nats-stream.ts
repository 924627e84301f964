/** The two JetStream streams of the journal: the records, and how far each consumer is. */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import type { JournalConsumer } from './journal.ts'
import { JOURNAL_CONSUMERS } from './consumers.ts'

export const STREAM = 'TIWANG_JOURNAL'
export const RECORD_SUBJECT = 'tiwang.journal'
const POSITION_STREAM = 'TIWANG_JOURNAL_POSITIONS'
export const positionSubject = (consumer: JournalConsumer) => `tiwang.position.${consumer}`

type NamedConfig = Partial<StreamConfig> & { name: string }

/** When it is full it refuses: what a consumer has not taken is never dropped to make room. */
const recordStream = (bytesMax: number): NamedConfig => ({
  name: STREAM,
  subjects: [RECORD_SUBJECT],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_bytes: bytesMax,
})
const POSITIONS: NamedConfig = {
  name: POSITION_STREAM,
  subjects: [positionSubject('*' as JournalConsumer)],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
  max_msgs_per_subject: 1,
}

const isMissing = (error: unknown) =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound

async function ensureStream(manager: JetStreamManager, config: NamedConfig): Promise<StreamInfo> {
  try {
    const info = await manager.streams.info(config.name)
    if (config.max_bytes === undefined || config.max_bytes === info.config.max_bytes) return info
    return await manager.streams.update(config.name, { max_bytes: config.max_bytes })
  } catch (error) {
    if (!isMissing(error)) throw error
    return manager.streams.add(config)
  }
}

/** Makes the streams when they are not there, and brings the size bound up to date. */
export async function ensureStreams(manager: JetStreamManager, bytesMax: number): Promise<StreamInfo> {
  await ensureStream(manager, POSITIONS)
  return ensureStream(manager, recordStream(bytesMax))
}

/**
 * Positions are sequence numbers of the stream, counted from the moment it was made: a stream that is made anew begins
 * beyond every position that consumers may remember of the one before.
 */
export const positionBase = (info: StreamInfo) => Date.parse(info.created) * 1000

export async function readPositions(manager: JetStreamManager): Promise<Record<JournalConsumer, number>> {
  const positions = { detect: 0, telemetry: 0 }
  for (const consumer of JOURNAL_CONSUMERS) {
    const message = await manager.streams.getMessage(POSITION_STREAM, { last_by_subj: positionSubject(consumer) })
    const position = message === null ? 0 : Number(message.string())
    if (Number.isSafeInteger(position)) positions[consumer] = position
  }
  return positions
}
