/** How a terminal writes: header, order of fields, bytes. It counts starts and messages and knows no clock. */
import type { LiftId, TerminalSerial } from '#contract/ids'
import type { CodeSet, Connection } from '#contract/telemetry'
import type { MessageKind } from '#contract/topics'
import type { Condition } from '../lift/lift-state.ts'
import { mix, textWord } from '../random.ts'
import type { Report } from './reports.ts'

/** A message as it goes to the broker. */
export type Spoken = { readonly kind: MessageKind; readonly seq: number; readonly payload: string }

const FIRMWARE = 'sim-1.0.0'
/** Two code sets use the same numbers, and ids must differ. */
const CODE_SET_LETTERS: Readonly<Record<CodeSet, string>> = { gbt24476: '', 'vendor-sh': 'v' }
/** Counts boots from here, 1 January 2025, in quarters of a second: a start always has a higher number than the one before. */
const BOOT_EPOCH_MS = 1_735_689_600_000
const BOOT_STEP_MS = 250
const BOOT_MAX = 0xffff_ffff

/** A number for a start at `atMs` that is higher than that of any start a quarter of a second or more before. Holds until 2058. */
export const bootAt = (atMs: number): number =>
  Math.min(BOOT_MAX, Math.max(0, Math.floor((atMs - BOOT_EPOCH_MS) / BOOT_STEP_MS)))

/** Only a name: it tells one raising of a code from the next, and both ends of one raising have the same. */
export const messageIdOf = (lift: LiftId, { codeSet, code, sinceMs }: Condition): string =>
  `${lift}-${CODE_SET_LETTERS[codeSet]}${code}-${sinceMs}`

type Online = Omit<Extract<Connection, { state: 'online' }>, 'v' | 'boot' | 'seq'>
/** What a terminal says of itself when it has connected. */
export const onlineOf = (serial: TerminalSerial, atMs: number): Online => ({
  state: 'online',
  terminal: serial,
  firmware: FIRMWARE,
  iccid: `8986${String(mix(textWord(serial), 8)).padStart(16, '0')}`,
  atMs,
})

export class Pen {
  readonly #lift: LiftId
  readonly #serial: TerminalSerial
  #boot: number
  #seq = 0

  constructor(o: { lift: LiftId; serial: TerminalSerial; startAtMs: number }) {
    this.#lift = o.lift
    this.#serial = o.serial
    this.#boot = bootAt(o.startAtMs)
  }

  get boot(): number {
    return this.#boot
  }

  /** Another start, and numbers from 1 again. */
  restart(atMs: number): void {
    this.#boot = Math.max(this.#boot + 1, bootAt(atMs))
    this.#seq = 0
  }

  /** The next `numberCount` numbers have been used before. */
  countBack(numberCount: number): void {
    this.#seq = Math.max(0, this.#seq - numberCount)
  }

  online(atMs: number): Spoken {
    return this.#say('connection', '', onlineOf(this.#serial, atMs))
  }

  /** `atMs` is what the terminal's clock shows. */
  report(report: Report, atMs: number): Spoken {
    if (report.kind !== 'message') return this.#say(report.kind, `"sampledAtMs":${atMs},`, report.fields)
    const { condition, raised, snapshot } = report
    return this.#say('message', '', {
      id: messageIdOf(this.#lift, condition),
      codeSet: condition.codeSet,
      code: condition.code,
      kind: condition.kind,
      raised,
      occurredAtMs: atMs,
      snapshot,
    })
  }

  /** The header is written as text before the body: an object that is copied for each message costs more than all the rest. */
  #say(kind: MessageKind, head: string, body: object): Spoken {
    this.#seq += 1
    const rest = JSON.stringify(body)
    const payload = `{"v":1,"boot":${this.#boot},"seq":${this.#seq},${head}${rest.slice(1)}`
    return { kind, seq: this.#seq, payload }
  }
}
