/**
 * Shares (分片): the journal is divided by lift, so that several ingest workers can work at the same time while the messages
 * of one lift stay in order. Which worker works a share is told by its lease (租约), which the register keeps.
 */
import { readDeviceTopic } from './topics.ts'

/** Shares of a journal that many processes use. Also the largest number of ingest workers that find work. */
export const SHARE_COUNT = 16

/** The share of a lift, from 0: FNV-1a over the characters of its id. The same everywhere and for ever. */
export function shareOfLift(lift: string, shareCount: number): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < lift.length; index += 1) hash = Math.imul(hash ^ lift.charCodeAt(index), 0x01000193)
  // The low bits alone mix badly; the high ones are folded in.
  return ((hash ^ (hash >>> 16)) >>> 0) % shareCount
}

/** The share of a message: that of the lift in its topic. What is no topic of a device has a share too, always the same. */
export const shareOfTopic = (topic: string, shareCount: number): number =>
  shareCount === 1 ? 0 : shareOfLift(readDeviceTopic(topic)?.lift ?? topic, shareCount)

/** A share in the hands of one worker. `epoch` grows each time that the share changes hands. */
export type HeldShare = { readonly share: number; readonly worker: string; readonly epoch: number }

/** Who is there and who holds what. A worker that lives raises its `beat` about once a second. */
export type ShareTable = {
  readonly workers: readonly { readonly worker: string; readonly beat: number }[]
  readonly shares: readonly { readonly share: number; readonly worker: string | null; readonly epoch: number }[]
}
