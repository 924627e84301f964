/** All sessions of one process: when they connect, when they speak, and what became of it. */
import type { RandomStream } from '#simulator/random'
import { FreeSlots } from './free-slots.ts'
import { Latencies } from './latencies.ts'
import type { BrokerAddress } from './link.ts'
import { WordTally, type LoadReport } from './load-counts.ts'
import { Session, type Clock, type SessionEvents, type SimulatedTerminalOrGuest, type Slot } from './session.ts'

/** Messages a second in all, or one more for every acknowledgement. */
export type Rate = number | 'max'

const TICK_MS = 10
const SAY_MS = 1
const WATCH_MS = 1_000
const RETURN_MS = 100
const CONNECT_MS_MAX = 20_000
/** A connection on which nothing was answered for so long is given up. */
const SILENCE_MS_MAX = 60_000
const BACK_OFF_MS = { first: 1_000, most: 30_000 } as const
/** Messages that are due and find no session free are made later, if it is not more than this. */
const BEHIND_MS_MAX = 10_000
/** Sessions that connect at one time, whatever the rate. */
const CONNECTING_MAX = 200
/** Connections that were due while the process was busy are made up for this long. */
const CONNECT_BURST_MS = 100
const GOODBYE_MS_MAX = 5_000
const LEAVING_TICK_MS = 20

/** What a return code of CONNACK means (MQTT 3.1.1 table 3.1). */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'the broker does not speak MQTT 3.1.1 (CONNACK 1)',
  2: 'the broker does not take the client id (CONNACK 2)',
  4: 'wrong serial or secret (CONNACK 4)',
  5: 'not authorised; serial or secret may be wrong (CONNACK 5)',
}

export type SessionsOptions = {
  readonly broker: BrokerAddress
  readonly terminals: readonly SimulatedTerminalOrGuest[]
  /** Number of the first session in the whole run. */
  readonly first: number
  readonly boot: number
  /** Messages that each session may have under way. */
  readonly inFlight: number
  /** New connections a second; also those that come back. */
  readonly connectRate: number
  readonly connectingMax?: number
  readonly random: RandomStream
  readonly clock: Clock
  /** CPU of this process so far, s. */
  readonly cpuS: () => number
}

export class Sessions {
  readonly #o: SessionsOptions
  readonly #sessions: readonly Session[]
  readonly #toConnect: Session[]
  readonly #away = new Set<Session>()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #free = new FreeSlots()
  readonly #latencies = new Latencies()
  readonly #refusals = new WordTally()
  readonly #losses = new WordTally()
  readonly #lostOnce = new Set<Session>()
  #connectingCount = 0
  #heldCount = 0
  #refusedCount = 0
  #sentCount = 0
  #acknowledgedCount = 0
  #resentCount = 0
  #skippedCount = 0
  #strayCount = 0
  #lostCount = 0
  #failedCount = 0
  #reconnectedCount = 0
  #connectsOwed = 0
  #connectedAtMs: number
  #rate: Rate = 0
  #speakerCount = 0
  #heldSpeakerCount = 0
  #messagesOwed = 0
  #spokeAtMs = 0
  #isLeaving = false

  /** The sessions connect one after the other and come back when they are lost; nothing is said before `speak`. */
  constructor(o: SessionsOptions) {
    this.#o = o
    const events: SessionEvents = {
      onHeld: (session) => this.#onHeld(session),
      onLost: (session, wasHeld, reason) => this.#onLost(session, wasHeld, reason),
      onRefused: (_session, returnCode) => this.#onRefused(returnCode),
      onAcknowledged: (slot, atMs) => this.#onAcknowledged(slot, atMs),
      onStray: () => void (this.#strayCount += 1),
      onSentAgain: (count) => void (this.#resentCount += count),
    }
    const { broker, boot, inFlight, first, clock } = o
    this.#sessions = o.terminals.map(
      (terminal, index) => new Session({ broker, number: first + index, terminal, boot, inFlight }, events, clock),
    )
    this.#toConnect = [...this.#sessions]
    this.#connectedAtMs = clock.elapsedMs()
    this.#every(TICK_MS, () => this.#connectSome())
    this.#every(RETURN_MS, () => this.#callBack())
    this.#every(WATCH_MS, (atMs) => {
      for (const session of this.#sessions)
        session.watch(atMs, { connectMsMax: CONNECT_MS_MAX, silenceMsMax: SILENCE_MS_MAX })
    })
    this.#every(SAY_MS, (atMs) => this.#sayDue(atMs))
  }

  report(): LoadReport {
    return {
      counts: {
        sessionCount: this.#sessions.length,
        heldCount: this.#heldCount,
        refusedCount: this.#refusedCount,
        sentCount: this.#sentCount,
        acknowledgedCount: this.#acknowledgedCount,
        unacknowledgedCount: this.#sessions.reduce((sum, { waitingCount }) => sum + waitingCount, 0),
        resentCount: this.#resentCount,
        skippedCount: Math.floor(this.#skippedCount),
        strayCount: this.#strayCount,
        lostCount: this.#lostCount,
        failedCount: this.#failedCount,
        reconnectedCount: this.#reconnectedCount,
        cpuS: this.#o.cpuS(),
      },
      refusals: this.#refusals.told,
      losses: this.#losses.told,
      latencies: this.#latencies.told,
    }
  }

  /**
   * From here on messages are said: by the first so many sessions, or by all. A session that is not held says nothing new, so
   * `rate` is reached when all are held; each message is due at its time, and its latency counts from there.
   */
  speak(rate: Rate, speakerCount: number = this.#sessions.length): void {
    this.hush()
    this.#rate = rate
    this.#speakerCount = speakerCount
    this.#messagesOwed = 0
    const atMs = this.#o.clock.elapsedMs()
    this.#spokeAtMs = atMs
    const speakers = this.#sessions.slice(0, speakerCount).filter(({ state }) => state === 'held')
    this.#heldSpeakerCount = speakers.length
    const lines = speakers.map(({ freeSlots }) => freeSlots)
    // The first slot of each before the second of any.
    for (let index = 0; lines.some((slots) => index < slots.length); index += 1)
      for (const slots of lines) {
        const slot = slots[index]
        if (slot !== undefined) this.#offer(slot, atMs)
      }
  }

  /** Says nothing new from here on; what is under way is still acknowledged, and sent again if need be. */
  hush(): void {
    this.#rate = 0
    this.#speakerCount = 0
    this.#free.clear()
  }

  /** Waits for what is under way on connections that are held, says goodbye, and ends. */
  async leave(drainMsMax: number): Promise<void> {
    this.hush()
    this.#isLeaving = true
    this.#toConnect.length = 0
    this.#away.clear()
    const isWaiting = () => this.#sessions.some(({ state, waitingCount }) => state === 'held' && waitingCount > 0)
    const untilMs = this.#o.clock.elapsedMs() + drainMsMax
    while (isWaiting() && this.#o.clock.elapsedMs() < untilMs) await pause(LEAVING_TICK_MS)
    for (const timer of this.#timers) clearInterval(timer)
    const timeUp = pause(GOODBYE_MS_MAX)
    await Promise.race([Promise.all(this.#sessions.map((session) => session.leave())), timeUp])
    this.cut()
  }

  /** Ends every connection at once, without a goodbye. */
  cut(): void {
    this.#isLeaving = true
    for (const timer of this.#timers) clearInterval(timer)
    for (const session of this.#sessions) session.cut()
    this.#heldCount = 0
  }

  #every(ms: number, act: (atMs: number) => void): void {
    this.#timers.push(setInterval(() => act(this.#o.clock.elapsedMs()), ms))
  }

  #connectSome(): void {
    const { connectRate, connectingMax = CONNECTING_MAX, clock } = this.#o
    const atMs = clock.elapsedMs()
    const burstMax = Math.max(1, (connectRate * CONNECT_BURST_MS) / 1000)
    const due = connectRate === Infinity ? Infinity : ((atMs - this.#connectedAtMs) * connectRate) / 1000
    this.#connectsOwed = Math.min(burstMax, this.#connectsOwed + due)
    this.#connectedAtMs = atMs
    while (this.#connectsOwed >= 1 && this.#connectingCount < connectingMax) {
      const session = this.#toConnect.shift()
      if (session === undefined) return
      this.#connectsOwed -= 1
      this.#connectingCount += 1
      session.connect()
    }
  }

  #callBack(): void {
    const atMs = this.#o.clock.elapsedMs()
    for (const session of this.#away) {
      if (session.attemptAtMs > atMs) continue
      this.#away.delete(session)
      this.#toConnect.push(session)
    }
  }

  #isSpeaker(session: Session): boolean {
    return session.number - this.#o.first < this.#speakerCount
  }

  #onHeld(session: Session): void {
    this.#connectingCount -= 1
    this.#heldCount += 1
    if (this.#lostOnce.delete(session)) this.#reconnectedCount += 1
    if (!this.#isSpeaker(session)) return
    this.#heldSpeakerCount += 1
    const atMs = this.#o.clock.elapsedMs()
    for (const slot of session.freeSlots) this.#offer(slot, atMs)
  }

  #onLost(session: Session, wasHeld: boolean, reason: string): void {
    this.#losses.add(reason)
    if (wasHeld) {
      this.#heldCount -= 1
      this.#lostCount += 1
      this.#lostOnce.add(session)
      if (this.#isSpeaker(session)) this.#heldSpeakerCount -= 1
    } else {
      this.#connectingCount -= 1
      this.#failedCount += 1
    }
    if (this.#isLeaving) return
    const ceilingMs = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.first * 2 ** Math.min(10, session.failureCount - 1))
    // Half fixed, half chance: thousands that lost one broker must not all come back in the same moment.
    const waitMs = ceilingMs / 2 + (this.#o.random.next() * ceilingMs) / 2
    session.attemptAtMs = this.#o.clock.elapsedMs() + waitMs
    this.#away.add(session)
  }

  #onRefused(returnCode: number): void {
    this.#connectingCount -= 1
    this.#refusedCount += 1
    this.#refusals.add(REFUSALS[returnCode] ?? `the broker answered CONNACK ${returnCode}`)
  }

  #onAcknowledged(slot: Slot, atMs: number): void {
    this.#acknowledgedCount += 1
    this.#latencies.add(atMs - slot.dueAtMs)
    if (this.#isSpeaker(slot.session)) this.#offer(slot, atMs)
  }

  /** A slot of a speaker that may say something: at once, or when its turn comes. */
  #offer(slot: Slot, atMs: number): void {
    if (this.#rate === 'max') this.#say(slot, atMs, atMs)
    else this.#free.put(slot)
  }

  #say(slot: Slot, dueAtMs: number, atMs: number): void {
    this.#sentCount += 1
    slot.session.say(slot, dueAtMs, atMs)
  }

  #sayDue(atMs: number): void {
    if (this.#rate === 'max' || this.#rate === 0) return
    // Those that are not held have nothing new to say.
    const perMs = (this.#rate / 1000) * (this.#heldSpeakerCount / Math.max(1, this.#speakerCount))
    this.#messagesOwed += (atMs - this.#spokeAtMs) * perMs
    this.#spokeAtMs = atMs
    const owedMax = Math.max(1, perMs * BEHIND_MS_MAX)
    if (this.#messagesOwed > owedMax) {
      this.#skippedCount += this.#messagesOwed - owedMax
      this.#messagesOwed = owedMax
    }
    while (this.#messagesOwed >= 1) {
      const slot = this.#free.take()
      if (slot === undefined) return
      this.#messagesOwed -= 1
      this.#say(slot, atMs - this.#messagesOwed / perMs, atMs)
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms).unref())
