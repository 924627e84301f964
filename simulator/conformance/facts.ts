/**
 * What the kit saw, one fact for each thing that happened, in order. Everything that is judged is judged from these alone, and
 * the transcript is these facts written down.
 */

/** The CONNACK of a CONNECT that is not of the terminal under test: bad user name or password. */
export const STRANGER_RETURN_CODE = 4

/** A CONNECT as it came. The password itself is never kept. */
export type ConnectPacket = {
  readonly protocol: string
  readonly level: number
  readonly clientId: string
  readonly userName: string | undefined
  /** `sound`: of a length that the platform takes, which is all that is looked at. */
  readonly password: 'none' | 'empty' | 'sound' | 'tooLong'
  readonly isClean: boolean
  readonly keepaliveS: number
  readonly will:
    { readonly topic: string; readonly payload: Buffer; readonly qos: number; readonly isRetained: boolean } | undefined
}

export const PHASES = {
  connect: { zh: '等待终端连接', en: 'waiting for the terminal' },
  observe: { zh: '观察', en: 'observing' },
  withhold: { zh: '扣留应答', en: 'withholding an acknowledgement' },
  cut: { zh: '切断连接', en: 'cutting the connection' },
  outage: { zh: '模拟平台中断', en: 'refusing connections' },
  backfill: { zh: '检查补传', en: 'looking at back-fill' },
  restart: { zh: '等待终端重启', en: 'waiting for a restart of the terminal' },
  end: { zh: '结束', en: 'end' },
} as const
export type PhaseName = keyof typeof PHASES

/** Who closed a connection, or why: its CONNECT was refused, or the terminal connected again while it stood. */
export type ClosedBy = 'terminal' | 'kit' | 'refused' | 'takeover'

export type Fact = { readonly atMs: number } & (
  | { readonly what: 'phase'; readonly phase: PhaseName }
  /** A TCP connection; `isTaken` false = closed at once, because the kit plays a platform that is away. */
  | { readonly what: 'attempt'; readonly connection: number; readonly address: string; readonly isTaken: boolean }
  | {
      readonly what: 'connect'
      readonly connection: number
      readonly packet: ConnectPacket
      readonly returnCode: number
      /** Of the client; without TLS none is shown. */
      readonly certificate: { readonly isShown: boolean; readonly commonName: string | undefined }
    }
  | {
      readonly what: 'publish'
      readonly connection: number
      readonly topic: string
      readonly payload: Buffer
      readonly qos: number
      readonly isDuplicate: boolean
      readonly isRetained: boolean
      readonly packetId: number | undefined
      /** Whether it was acknowledged, or needed no acknowledgement. */
      readonly isAnswered: boolean
    }
  | { readonly what: 'subscribe'; readonly connection: number; readonly filters: readonly string[] }
  | { readonly what: 'unsubscribe'; readonly connection: number }
  | { readonly what: 'pubrel'; readonly connection: number; readonly packetId: number }
  | { readonly what: 'ping'; readonly connection: number }
  | { readonly what: 'disconnect'; readonly connection: number }
  /** A rule of MQTT 3.1.1 was broken; the connection was closed. */
  | { readonly what: 'broken'; readonly connection: number; readonly detail: string }
  | { readonly what: 'closed'; readonly connection: number; readonly by: ClosedBy }
)
export type FactOf<What extends Fact['what']> = Extract<Fact, { what: What }>
/** Each member of a union without its time. */
export type Untimed<F> = F extends Fact ? Omit<F, 'atMs'> : never

/** Facts kept for judging. A terminal that says more than this is cut short: the report is incomplete. */
export const FACTS_MAX = 100_000
/** Bytes of payloads, topics, wills and names kept for judging. */
export const FACT_BYTES_MAX = 256 * 1024 * 1024

/** What a terminal can make as long as it likes; a sign takes two bytes in memory. */
function bytesOf(fact: Fact): number {
  if (fact.what === 'publish') return fact.payload.length + 2 * fact.topic.length
  if (fact.what === 'subscribe') return 2 * fact.filters.reduce((sum, filter) => sum + filter.length, 0)
  if (fact.what !== 'connect') return 0
  const { protocol, clientId, userName = '', will } = fact.packet
  const signs = protocol.length + clientId.length + userName.length + (will?.topic.length ?? 0)
  return 2 * signs + (will?.payload.length ?? 0)
}

/** The facts of one run, bounded, and whoever wants to hear of them. */
export class FactLog {
  readonly facts: Fact[] = []
  readonly #nowMs: () => number
  readonly #listeners = new Set<(fact: Fact) => void>()
  readonly #factsMax: number
  readonly #bytesMax: number
  #byteCount = 0
  /** What was seen and not kept, because there was too much of it. */
  droppedCount = 0

  constructor(o: { nowMs: () => number; factsMax?: number; bytesMax?: number }) {
    this.#nowMs = o.nowMs
    this.#factsMax = o.factsMax ?? FACTS_MAX
    this.#bytesMax = o.bytesMax ?? FACT_BYTES_MAX
  }

  add(fact: Untimed<Fact>): void {
    const timed: Fact = { atMs: this.#nowMs(), ...fact }
    this.#byteCount += bytesOf(timed)
    const isKept = this.facts.length < this.#factsMax && this.#byteCount <= this.#bytesMax
    // The few facts about the course of the run itself are always kept.
    if (isKept || timed.what === 'phase') this.facts.push(timed)
    else this.droppedCount += 1
    for (const listener of this.#listeners) listener(timed)
  }

  /** Returns what takes the listener away again. */
  listen(listener: (fact: Fact) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** The first fact from now on that is `isWanted`; undefined when none comes before `ended`. */
  async next(isWanted: (fact: Fact) => boolean, ended: Promise<void>): Promise<Fact | undefined> {
    let leave = (): void => {}
    const found = new Promise<Fact>((resolve) => {
      leave = this.listen((fact) => {
        if (isWanted(fact)) resolve(fact)
      })
    })
    try {
      return await Promise.race([found, ended.then(() => undefined)])
    } finally {
      leave()
    }
  }
}
