/**
 * The device broker has no subscribers, keeps nothing retained and holds no sessions. Aedes takes its store and its
 * emitter as options; these two do nothing, so that a publication costs no matching, no copies and no memory, and no
 * slow reader can ever hold devices up.
 */
import { Readable } from 'node:stream'

const nothing = (): Readable => Readable.from([])

/** A persistence that keeps nothing. Methods are async because Aedes checks that `setup` is, and waits for the others. */
export const forgetfulPersistence = () => ({
  async setup(): Promise<void> {},
  async storeRetained(): Promise<void> {},
  createRetainedStreamCombi: nothing,
  async addSubscriptions(): Promise<void> {},
  async removeSubscriptions(): Promise<void> {},
  async cleanSubscriptions(): Promise<void> {},
  async subscriptionsByClient(): Promise<never[]> {
    return []
  },
  async subscriptionsByTopic(): Promise<never[]> {
    return []
  },
  async outgoingEnqueue(): Promise<void> {},
  async outgoingEnqueueCombi(): Promise<void> {},
  async outgoingUpdate(): Promise<void> {},
  async outgoingClearMessageId(): Promise<undefined> {
    return undefined
  },
  outgoingStream: nothing,
  async incomingStorePacket(): Promise<void> {
    throw new Error('QoS 2 is not taken')
  },
  async incomingGetPacket(): Promise<never> {
    throw new Error('QoS 2 is not taken')
  },
  async incomingDelPacket(): Promise<void> {},
  async cleanIncoming(): Promise<void> {},
  // The will of a live connection stands in Aedes' client; stored wills only serve brokers that share a store.
  async putWill(): Promise<void> {},
  async delWill(): Promise<void> {},
  streamWill: nothing,
  async destroy(): Promise<void> {},
})

type Done = (error?: Error | null) => void

/** An emitter without listeners: what is emitted goes nowhere, at once. */
export const silentEmitter = () => ({
  on(_topic: string, _listener: unknown, done?: Done): void {
    if (done) setImmediate(done)
  },
  removeListener(_topic: string, _listener: unknown, done?: Done): void {
    if (done) setImmediate(done)
  },
  emit(_packet: unknown, done?: Done): void {
    done?.()
  },
  close(done?: Done): void {
    if (done) setImmediate(done)
  },
})
