/**
 * One connection of a subscriber: who it is, what it asked for, and what is on its way to it. A message is handed over or the
 * connection is cut; nobody waits for a slow one, and none stays connected that missed a change.
 */
import type { Socket } from 'node:net'
import type { Client } from 'aedes'
import type { SubscriberRefusal } from '#contract/errors'
import type { OrganisationId } from '#contract/ids'
import { inScope, scopeOf, type LiftScope, type User } from '#contract/register'
import { alarmFilterMatches } from '#contract/topics'
import type { AlarmMessage } from './alarm-messages.ts'
import type { Place } from '#contract/places'
import type { SubscriberLimits } from './limits.ts'

/** Who proved to be there, and the hash that the proof stands on. */
type Person = { readonly user: User; readonly passwordHash: string }

/** The state of one connection, and the only way by which messages go to it. */
export class Subscriber {
  readonly client: Client
  readonly conn: Socket
  readonly place: Place
  readonly address: string
  /** Set when the password was right; the scope comes from it. */
  person: Person | undefined
  /** What the CONNECT claimed; the password is gone from here as soon as it is looked at. */
  claim: { readonly username: string; readonly password: string; readonly clientId: string } | undefined
  isReady = false
  /** Why it ends was counted; Aedes tells the same end once for each message that it did not get rid of. */
  isEnding = false
  answerTimer: NodeJS.Timeout | undefined
  /** Granted QoS by filter. */
  readonly filters = new Map<string, 0 | 1>()
  /** Changes that came while open alarms are being told; undefined when none are. */
  waiting: AlarmMessage[] | undefined
  /** Filters whose open alarms are still to be told. */
  readonly newFilters = new Set<string>()
  /** When the filters that it holds were asked for, ms; one that was taken back is forgotten. */
  readonly #askedAtMs = new Map<string, number>()
  #controlMinute = -1
  #controlPacketCount = 0
  readonly #limits: SubscriberLimits
  readonly #cut: (code: SubscriberRefusal, detail: string) => void
  #unreadBytes = 0
  #unackedCount = 0
  #onRoom: (() => void) | undefined

  constructor(o: {
    client: Client
    conn: Socket
    place: Place
    address: string
    limits: SubscriberLimits
    /** Counts the reason and destroys the connection. */
    cut: (subscriber: Subscriber, code: SubscriberRefusal, detail: string) => void
  }) {
    this.client = o.client
    this.conn = o.conn
    this.place = o.place
    this.address = o.address
    this.#limits = o.limits
    this.#cut = (code, detail) => o.cut(this, code, detail)
  }

  get scope(): LiftScope | undefined {
    return this.person === undefined ? undefined : scopeOf(this.person.user)
  }

  /** What was handed over and not yet taken by the socket, bytes. */
  get unreadBytes(): number {
    return this.#unreadBytes
  }

  get unackedCount(): number {
    return this.#unackedCount
  }

  /** Counts a PINGREQ, SUBSCRIBE or UNSUBSCRIBE; false when it is one too many within a minute. */
  mayControl(nowMs: number): boolean {
    const minute = Math.floor(nowMs / 60_000)
    if (minute !== this.#controlMinute) this.#controlPacketCount = 0
    this.#controlMinute = minute
    this.#controlPacketCount += 1
    return this.#controlPacketCount <= this.#limits.controlPacketsPerMinuteMax
  }

  /**
   * A SUBSCRIBE granted the filter: its open alarms are to be told, unless they were a moment ago and every change since
   * has been told as well, because the filter was held all the time.
   */
  asked(filter: string, nowMs: number): void {
    const agoMs = nowMs - (this.#askedAtMs.get(filter) ?? -Infinity)
    if (agoMs >= 0 && agoMs < this.#limits.retellMs) return
    this.#askedAtMs.set(filter, nowMs)
    this.newFilters.add(filter)
  }

  /** An UNSUBSCRIBE: the filter is taken back. */
  tookBack(filter: string): void {
    this.filters.delete(filter)
    this.newFilters.delete(filter)
    this.#askedAtMs.delete(filter)
  }

  /** Whether the person may hear of alarms at lifts of this contractor. */
  mayHear(contractor: OrganisationId | null): boolean {
    const { scope } = this
    return scope !== undefined && this.isReady && !this.conn.destroyed && inScope(scope, contractor)
  }

  /** The QoS of a topic: the highest of the filters that match [MQTT-3.3.5-1]; undefined when none does. */
  qosOf(topic: string, filters: Iterable<string> = this.filters.keys()): 0 | 1 | undefined {
    let qos: 0 | 1 | undefined
    for (const filter of filters) {
      const granted = this.filters.get(filter)
      if (granted !== undefined && alarmFilterMatches(filter, topic)) qos = qos === 1 ? 1 : granted
    }
    return qos
  }

  /** A change that happened now. While open alarms are being told it waits behind them, so that it is the newer one. */
  tell(message: AlarmMessage): void {
    if (!this.mayHear(message.contractor) || this.qosOf(message.topic) === undefined) return
    if (this.waiting === undefined) return this.send(message)
    if (this.waiting.length >= this.#limits.waitingMax)
      return this.#cut('subscriber.slow', `${this.waiting.length} changes wait`)
    this.waiting.push(message)
  }

  /** Hands a message to the socket, or cuts a connection whose reader has left too much lying. */
  send({ topic, payload, contractor }: AlarmMessage): void {
    const qos = this.qosOf(topic)
    if (qos === undefined || !this.mayHear(contractor)) return
    const { unreadBytesMax, unackedMax } = this.#limits
    if (this.#unreadBytes + payload.length > unreadBytesMax)
      return this.#cut('subscriber.slow', `${this.#unreadBytes} bytes unread`)
    if (qos > 0 && this.#unackedCount >= unackedMax)
      return this.#cut('subscriber.slow', `${this.#unackedCount} messages without PUBACK`)
    this.#unreadBytes += payload.length
    if (qos > 0) this.#unackedCount += 1
    this.client.publish({ cmd: 'publish', topic, payload, qos, retain: false, dup: false }, () => {
      this.#unreadBytes -= payload.length
      this.#tellRoom()
    })
  }

  acknowledged(): void {
    if (this.#unackedCount > 0) this.#unackedCount -= 1
    this.#tellRoom()
  }

  /** Resolves when most of what was handed over was taken, or the connection is over; one that takes nothing for long is cut. */
  async room(): Promise<void> {
    while (!this.conn.destroyed && !this.#hasRoom()) {
      const tooLong = setTimeout(() => this.#cut('subscriber.slow', 'takes no open alarms'), this.#limits.drainMs)
      await new Promise<void>((go) => (this.#onRoom = go))
      clearTimeout(tooLong)
    }
  }

  /** Lets go of whoever waits for room. */
  closed(): void {
    clearTimeout(this.answerTimer)
    this.#tellRoom()
  }

  #hasRoom(): boolean {
    const { unreadBytesMax, unackedMax } = this.#limits
    // Open alarms are made for each subscriber by itself, so far fewer of them may lie than of changes, which all share.
    return this.#unreadBytes < unreadBytesMax / 32 && this.#unackedCount < unackedMax / 32
  }

  #tellRoom(): void {
    const go = this.#onRoom
    this.#onRoom = undefined
    go?.()
  }
}
