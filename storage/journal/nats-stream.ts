/** The two JetStream streams of the journal: the records by share, and how far each consumer is in each share. */
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
import type { Log } from '#contract/log-events'
import { JOURNAL_CONSUMERS, type JournalConsumer } from './consumers.ts'
import type { Copies } from './nats-dropping.ts'

export const STREAM = 'TIWANG_JOURNAL'
export const POSITION_STREAM = 'TIWANG_JOURNAL_POSITIONS'
/** Copies of each record in a cluster: one server may fail and nothing is lost. */
const CLUSTER_REPLICAS = 3

/** The number of shares is part of the name: a process that counts them differently is refused by the stream. */
export const recordSubject = (shareCount: number, share: number | '*') => `tiwang.journal.${shareCount}.${share}`
export const positionSubject = (consumer: JournalConsumer | '*', shareCount: number | '*', share: number | '*') =>
  `tiwang.position.${consumer}.${shareCount}.${share}`

export type StreamForm = {
  readonly bytesMax: number
  readonly shareCount: number
  /** 1, or 3 in a cluster of three servers or more. */
  readonly replicas: number
}
type NamedConfig = Partial<StreamConfig> & { name: string }

/** When it is full it refuses: what a consumer has not taken is never dropped to make room. */
const recordStream = ({ bytesMax, shareCount, replicas }: StreamForm): NamedConfig => ({
  name: STREAM,
  subjects: [recordSubject(shareCount, '*')],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_bytes: bytesMax,
  num_replicas: replicas,
})
const positionStream = ({ replicas }: StreamForm): NamedConfig => ({
  name: POSITION_STREAM,
  subjects: [positionSubject('*', '*', '*')],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
  max_msgs_per_subject: 1,
  num_replicas: replicas,
})

/**
 * How many copies the streams should have. Servers that the URL names together must be one cluster: otherwise each of them
 * would hold a journal of its own, and what one has acknowledged the next would not know.
 */
export function replicasFor(o: {
  serverCount: number
  cluster: string | undefined
  clusterServerCount: number
}): number {
  if (o.serverCount > 1 && o.cluster === undefined)
    throw new Error(
      'the NATS servers of the URL are not one cluster; give them routes to one another, or name one of them',
    )
  return Math.max(o.serverCount, o.clusterServerCount) >= CLUSTER_REPLICAS ? CLUSTER_REPLICAS : 1
}

const isMissing = (error: unknown) =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound

/** `isNew`: the connection is new. Only then is a size changed: processes that were told different ones would not stop. */
async function ensureStream(
  manager: JetStreamManager,
  config: NamedConfig,
  isNew: boolean,
  log: Log,
): Promise<StreamInfo> {
  let info: StreamInfo
  try {
    info = await manager.streams.info(config.name)
  } catch (error) {
    if (!isMissing(error)) throw error
    return manager.streams.add(config)
  }
  const changes: Partial<StreamConfig> = {}
  if (isNew && config.max_bytes !== undefined && config.max_bytes !== info.config.max_bytes) {
    changes.max_bytes = config.max_bytes
    log.warn('journal.resized', { bytesMaxBefore: info.config.max_bytes, bytesMax: config.max_bytes })
  }
  if (config.subjects !== undefined && config.subjects.join() !== info.config.subjects.join()) {
    if (info.state.messages > 0 && config.name === STREAM)
      throw new Error(
        `the stream ${STREAM} is divided differently (${info.config.subjects.join()}). ` +
          'Let the version that wrote it work off what is in it, then start this one.',
      )
    changes.subjects = config.subjects
  }
  if (Object.keys(changes).length > 0) info = await manager.streams.update(config.name, changes)
  // Never fewer: a cluster that is short of a server keeps the copies that it is to have.
  if ((config.num_replicas ?? 1) <= info.config.num_replicas) return info
  // More copies are a wish: a stream that has fewer keeps working, and the next look at it asks again.
  const more = { num_replicas: config.num_replicas ?? 1 }
  return manager.streams.update(config.name, more).catch(() => info)
}

/** Makes the streams when they are not there, and brings their form up to date. */
export async function ensureStreams(
  manager: JetStreamManager,
  form: StreamForm,
  o: { isNew: boolean; log: Log },
): Promise<StreamInfo> {
  await ensureStream(manager, positionStream(form), o.isNew, o.log)
  return ensureStream(manager, recordStream(form), o.isNew, o.log)
}

/**
 * Positions are sequence numbers of the stream, counted from the moment it was made: a stream that is made anew begins
 * beyond every position that consumers may remember of the one before.
 */
export const positionBase = (info: StreamInfo) => Date.parse(info.created) * 1000

/** Whether every server that is to have a copy of the stream has it, up to what was said a moment ago. */
export function copiesOf({ config, cluster }: StreamInfo): Copies {
  if (config.num_replicas <= 1) return 'one'
  const others = cluster?.replicas ?? []
  // A server leaves out `offline` when it is not.
  const areThere = others.every(({ current, offline }) => current && (offline as boolean | undefined) !== true)
  return areThere && others.length >= config.num_replicas - 1 ? 'whole' : 'missing'
}

/** What a consumer is done with in a share, and the sequence number of the message that says so; both 0 where none does. */
export type KeptPosition = { readonly position: number; readonly seq: number }
export type Positions = Record<JournalConsumer, KeptPosition[]>

const NONE: KeptPosition = { position: 0, seq: 0 }

export const noPositions = (shareCount: number): Positions => ({
  detect: Array.from({ length: shareCount }, () => NONE),
  telemetry: Array.from({ length: shareCount }, () => NONE),
})

export async function readPosition(
  manager: JetStreamManager,
  consumer: JournalConsumer,
  shareCount: number,
  share: number,
): Promise<KeptPosition> {
  const subject = positionSubject(consumer, shareCount, share)
  const message = await manager.streams.getMessage(POSITION_STREAM, { last_by_subj: subject })
  if (message === null) return NONE
  const position = Number(message.string())
  return { position: Number.isSafeInteger(position) ? position : 0, seq: message.seq }
}

export async function readPositions(manager: JetStreamManager, shareCount: number): Promise<Positions> {
  const positions = noPositions(shareCount)
  await Promise.all(
    JOURNAL_CONSUMERS.flatMap((consumer) =>
      positions[consumer].map(async (_, share) => {
        positions[consumer][share] = await readPosition(manager, consumer, shareCount, share)
      }),
    ),
  )
  return positions
}
