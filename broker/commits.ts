/** Publications on their way into the journal. The acknowledgement of each waits here until it is on disk. */
import { MESSAGE_KINDS, type MessageKind } from '#contract/topics'
import type { Journal, NewEntry } from '#storage/journal/journal'
import type { Connection } from './connection.ts'
import type { BrokerMetrics } from './metrics.ts'

export type Publication = NewEntry & {
  readonly kind: MessageKind
  readonly qos: number
  /** 0 when nobody waits for a PUBACK of this broker's own. */
  readonly packetId: number
  /** What the broker says for a terminal: nobody waits for its acknowledgement. */
  readonly isWill: boolean
}

/**
 * What became of a publication. Withheld: room runs out and it is not urgent; it is not acknowledged, and the connection
 * stays open for what is.
 */
export type Fate = 'durable' | 'withheld' | Error
type Done = (fate: Fate) => void

/**
 * How often one connection may draw on the room that is kept for what is urgent, with something that is not, ms: so the rules
 * still see each lift now and then, and a device that sends nothing before its last word is acknowledged comes to its alarm.
 * 16 ms for each connection make 64 MiB last for an hour, at 300 bytes each.
 */
export const drawEveryMs = (connectedCount: number): number => Math.max(10_000, connectedCount * 16)

/** What people wait for is taken also when room runs out. */
export const isUrgentKind = (kind: MessageKind): boolean => kind === 'message' || kind === 'connection'

type Waiting = Pick<Publication, 'kind' | 'qos' | 'packetId' | 'isWill'> & {
  readonly connection: Connection
  readonly isUrgent: boolean
  readonly payloadBytes: number
  readonly startedAtMs: number
  readonly done: Done | undefined
  isSettled: boolean
}

/** Appends publications, and tells each connection what became of its own. */
export class Commits {
  readonly #journal: Pick<Journal, 'append' | 'status'>
  readonly #metrics: BrokerMetrics
  readonly #elapsedMs: () => number
  readonly #connectedCount: () => number
  readonly #onWithheld: (connection: Connection) => void
  readonly #onFault: (fault: unknown) => void
  #underwayCount = 0
  #onSettled: (() => void) | undefined
  /** Connections that something was settled for in this turn. */
  #touched: Connection[] = []
  // Counted here and told to the metrics once per turn: a label look-up per publication costs more than its journal record.
  readonly #takenCounts: Record<MessageKind, number> = { status: 0, statistics: 0, message: 0, connection: 0 }
  #takenBytes = 0
  #acknowledgedMs: number[] = []

  constructor(o: {
    journal: Pick<Journal, 'append' | 'status'>
    metrics: BrokerMetrics
    /** A clock that never goes back, ms, for durations. */
    elapsedMs: () => number
    connectedCount: () => number
    /** Hears of each connection that is still owed an acknowledgement and stays open. */
    onWithheld: (connection: Connection) => void
    onFault: (fault: unknown) => void
  }) {
    this.#journal = o.journal
    this.#metrics = o.metrics
    this.#elapsedMs = o.elapsedMs
    this.#connectedCount = o.connectedCount
    this.#onWithheld = o.onWithheld
    this.#onFault = o.onFault
  }

  get underwayCount(): number {
    return this.#underwayCount
  }

  /**
   * Hands one publication to the journal. When it is durable, or will not be, `done` is called once; without it the connection
   * acknowledges by itself or is told why not.
   */
  commit(connection: Connection, publication: Publication, done?: Done): void {
    const { kind, qos, packetId, isWill } = publication
    // The payload may be a view of what was read; nothing of it is held while the journal syncs.
    const waiting: Waiting = {
      connection,
      kind,
      qos,
      packetId,
      isWill,
      isUrgent: publication.isUrgent === true || isWill,
      payloadBytes: publication.payload.byteLength,
      startedAtMs: this.#elapsedMs(),
      done,
      isSettled: false,
    }
    this.#underwayCount += 1
    connection.waitingCount += 1
    try {
      // A refusal for want of room comes at once, while the payload is at hand.
      let isAtHand = true
      this.#journal.append(publication, (error) => {
        if (error === undefined || !isAtHand || !this.#mayDraw(waiting)) this.#settle(waiting, error)
        else this.#journal.append({ ...publication, isUrgent: true }, (last) => this.#settle(waiting, last))
      })
      isAtHand = false
    } catch (fault) {
      this.#onFault(fault)
      this.#settle(waiting, new Error('the journal failed'))
    }
  }

  /** Whether this may have a part of what is kept for urgent publications although it is none; counts it as had. */
  #mayDraw({ connection, qos, isUrgent, startedAtMs }: Waiting): boolean {
    if (qos === 0 || isUrgent || this.#journal.status().takes !== 'urgent') return false
    if (startedAtMs - connection.drewAtMs < drawEveryMs(this.#connectedCount())) return false
    connection.drewAtMs = startedAtMs
    return true
  }

  #settle(waiting: Waiting, error: Error | undefined): void {
    if (waiting.isSettled) return
    waiting.isSettled = true
    const { connection, qos, packetId, done } = waiting
    this.#underwayCount -= 1
    connection.waitingCount -= 1
    this.#touch(connection)
    let fate: Fate = 'durable'
    if (error === undefined) {
      connection.takenAtMs = waiting.startedAtMs
      this.#takenCounts[waiting.kind] += 1
      this.#takenBytes += waiting.payloadBytes
      if (qos === 1 && !waiting.isWill) this.#acknowledgedMs.push(this.#elapsedMs() - waiting.startedAtMs)
    } else fate = waiting.isUrgent ? error : this.#fateOf(error, connection, qos)
    if (done !== undefined) {
      // Aedes writes its acknowledgement at once: those of earlier publications go before it [MQTT-4.6.0-2].
      connection.writeAcknowledgements()
      done(fate)
    } else if (fate !== 'durable') connection.onTurnEnd?.refuse(fate)
    else if (packetId !== 0) connection.acknowledge(packetId)
    if (this.#underwayCount === 0) this.#onSettled?.()
  }

  #touch(connection: Connection): void {
    if (connection.isTouched) return
    connection.isTouched = true
    if (this.#touched.push(connection) === 1) process.nextTick(this.#endTurn)
  }

  #fateOf(error: Error, connection: Connection, qos: number): Fate {
    if (this.#journal.status().takes !== 'urgent') return error
    this.#metrics.withheld.inc()
    if (qos === 1 && !connection.conn.destroyed) this.#onWithheld(connection)
    return 'withheld'
  }

  /** Everything that the journal settled at once: one write per connection, one word to each metric. */
  readonly #endTurn = (): void => {
    const touched = this.#touched
    this.#touched = []
    for (const connection of touched) {
      connection.isTouched = false
      try {
        connection.endTurn()
      } catch (fault) {
        this.#onFault(fault)
      }
    }
    for (const kind of MESSAGE_KINDS) {
      if (this.#takenCounts[kind] === 0) continue
      this.#metrics.published.inc({ kind }, this.#takenCounts[kind])
      this.#takenCounts[kind] = 0
    }
    this.#metrics.bytes.inc(this.#takenBytes)
    this.#takenBytes = 0
    const acknowledgedMs = this.#acknowledgedMs
    if (acknowledgedMs.length === 0) return
    this.#acknowledgedMs = []
    this.#metrics.acknowledged.inc(acknowledgedMs.length)
    for (const ms of acknowledgedMs) this.#metrics.ackSeconds.observe(ms / 1000)
  }

  /** Resolves when nothing is underway, with true; or after `waitMs`, with false. */
  async settled(waitMs: number): Promise<boolean> {
    if (this.#underwayCount === 0) return true
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), waitMs)
      this.#onSettled = () => {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }
}
