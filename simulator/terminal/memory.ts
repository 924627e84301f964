/**
 * What terminals and controllers remember while nobody simulates them: their counters, in one small file.
 *
 * At a clean end it holds them exactly. While the simulator runs it holds ceilings: what can have been counted at most until
 * the file is written again. So after a crash no counter falls, and none jumps by more than a minute and a half of work.
 */
import { readFile } from 'node:fs/promises'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { LiftId, TerminalSerial } from '#contract/ids'
import type { Log } from '#contract/log-events'
import { STATISTICS_FIELDS } from '#contract/telemetry'
import type { LiftPlan } from '../lift/lift-state.ts'
import { writeWhole } from '../whole-file.ts'
import type { Counted } from './own-counters.ts'

const WRITE_EVERY_MS = 60_000
/** A write may come so much later than it should. */
const LATE_MS_MAX = 30_000

const amount = Type.Number({ minimum: 0 })
const runs = { runCount: amount, runTimeS: amount, doorOpenCount: amount, distanceM: amount }
const Remembered = Type.Object({
  serial: TerminalSerial,
  lift: LiftId,
  counted: Type.Object({
    lift: Type.Object({ ...runs, energyKWh: amount, passengerCount: amount }),
    terminal: Type.Object(runs),
    restarted: Type.Optional(Type.Object(STATISTICS_FIELDS)),
  }),
})
const TerminalMemory = Type.Object({ terminals: Type.Array(Remembered, { maxItems: 100_000 }) })
type Remembered = Static<typeof Remembered>
const validator = Compile(TerminalMemory)

/** What the file says, by terminal and lift; nothing when there is no file, or none that can be used, which is told. */
export async function readMemory(path: string, log: Log): Promise<ReadonlyMap<string, Counted>> {
  try {
    const content: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (!validator.Check(content)) throw new Error(`${path} holds no counters of terminals`)
    return new Map(content.terminals.map(({ serial, lift, counted }) => [memoryKeyOf(serial, lift), counted]))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn('simulator.forgetful', { path, error })
    return new Map()
  }
}

/** Where the counters of the terminals of this file are kept: `simulated-terminals.memory.json` beside `simulated-terminals.json`. */
export const memoryPathBeside = (credentialsPath: string): string =>
  `${credentialsPath.replace(/\.json$/, '')}.memory.json`

/** A terminal that was moved to another lift counts anew. */
export const memoryKeyOf = (serial: TerminalSerial, lift: LiftId): string => `${serial} ${lift}`

/** What one terminal would have to remember now. */
export type ToRemember = {
  readonly serial: TerminalSerial
  readonly lift: LiftId
  readonly plan: LiftPlan
  readonly counted: Counted
}

export class MemoryFile {
  readonly #path: string
  readonly #log: Log
  readonly #terminals: () => readonly ToRemember[]
  #writeAtMs: number
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false
  #hasFailed = false

  constructor(o: { path: string; log: Log; startAtMs: number; terminals: () => readonly ToRemember[] }) {
    this.#path = o.path
    this.#log = o.log
    this.#terminals = o.terminals
    this.#writeAtMs = o.startAtMs
  }

  /** Writes ceilings when it is time to, without waiting for the disk. */
  tick(atMs: number): void {
    if (atMs < this.#writeAtMs || this.#isWriting) return
    this.#writeAtMs = atMs + WRITE_EVERY_MS
    this.#write((each) => ceilingOf(each, WRITE_EVERY_MS + LATE_MS_MAX))
  }

  /** Writes the counters as they are. Nothing may count any more. */
  async close(): Promise<void> {
    this.#writeAtMs = Infinity
    await this.#writing
    this.#write(({ counted }) => counted)
    await this.#writing
  }

  #write(toKeep: (each: ToRemember) => Counted): void {
    const terminals = this.#terminals().map((each): Remembered => {
      const { serial, lift } = each
      return { serial, lift, counted: toKeep(each) }
    })
    this.#isWriting = true
    this.#writing = writeWhole(this.#path, JSON.stringify({ terminals }) + '\n').then(
      () => {
        this.#isWriting = false
      },
      (error: unknown) => {
        this.#isWriting = false
        if (!this.#hasFailed) this.#log.warn('simulator.forgetful', { path: this.#path, error })
        this.#hasFailed = true
      },
    )
  }
}

/** Nobody gets in and out, or rides, faster than this: ms for each run, opening of the doors and person. */
const RUN_MS_MIN = 6_000
const OPENING_MS_MIN = 4_000
const PERSON_MS_MIN = 1_500
/** A door switch that flickers is read once a second. */
const FLICKER_MS = 2_000
/** A car that runs away, and a drive at full load for all of the time. */
const SPEED_SHARE_MAX = 1.3
const POWER_KW_MAX = 4

/** Counters that the lift cannot have passed `spanMs` later. */
export function ceilingOf({ plan, counted }: Pick<ToRemember, 'plan' | 'counted'>, spanMs: number): Counted {
  const { lift, terminal } = counted
  const most = (msEach: number): number => Math.ceil(spanMs / msEach)
  const wayM = (spanMs / 1e6) * plan.ratedMmps * SPEED_SHARE_MAX
  const grown = <Count extends Counted['terminal']>(counters: Count, openingMs: number): Count => ({
    ...counters,
    runCount: counters.runCount + most(RUN_MS_MIN),
    runTimeS: counters.runTimeS + spanMs / 1000,
    doorOpenCount: counters.doorOpenCount + most(openingMs),
    distanceM: counters.distanceM + wayM,
  })
  return {
    ...counted,
    lift: {
      ...grown(lift, OPENING_MS_MIN),
      energyKWh: lift.energyKWh + (spanMs / 3600_000) * POWER_KW_MAX,
      passengerCount: lift.passengerCount + most(PERSON_MS_MIN),
    },
    terminal: grown(terminal, FLICKER_MS),
  }
}
