/**
 * The register embedded in this process: PGlite on a folder, durable (see `pglite-durability.ts`), or in memory for tests.
 * There is one session, so whoever has it has it alone. Nobody checkpoints or vacuums in it but ourselves.
 */
import { PGlite } from '@electric-sql/pglite'
import { CompiledQuery, sql, type Kysely } from 'kysely'
import type { Log } from '#contract/log-events'
import { lockFolder } from '#storage/folder-lock'
import { answerWithin } from '#storage/within'
import { kyselyOn, type Database, type Session, type Sessions } from './database.ts'
import { migrate } from './migrate.ts'
import { DURABLE_START_PARAMS, DurableFolder, type SyncFile } from './pglite-durability.ts'
import { databaseFolder, readTemplate } from './pglite-folder.ts'
import { RegisterAwayError, asRegisterError } from './register-away.ts'
import type { Tables } from './tables.ts'

/** Questions that may wait for the session; beyond it the register says that it is away. */
const WAITING_MAX = 10_000
const CHECK_MS_MAX = 2_000
const REOPEN_AFTER_MS = 5_000
const UPKEEP_EVERY_MS = 15_000
/** Write-ahead log that is replayed at most after a crash. */
const WAL_BYTES_MAX = 16 * 1024 * 1024
/** Every so many rounds of upkeep one more table is vacuumed. */
const ROUNDS_PER_VACUUM = 4
const VACUUMED_TABLES = [
  'live_states',
  'alarms',
  'sessions',
  'quarantine',
  'checkpoints',
  'terminals',
  'stale_hours',
] as const

/** `sync` replaces the syncing of files, for tests that count or break it, as the rest is for tests that cannot wait. */
export type PgliteOptions = {
  readonly log: Log
  readonly sync?: SyncFile
  readonly reopenAfterMs?: number
  readonly upkeepEveryMs?: number
  readonly walBytesMax?: number
}

/** Opens the folder, making it when it is not there, or `memory`. Throws a sentence when another process has the folder. */
export async function openPgliteDatabase(path: string, options: PgliteOptions): Promise<Database> {
  if (path === 'memory') return openMemoryDatabase(options)
  if (path === '') throw new Error('REGISTER_URL: pglite: needs a folder, such as pglite:./data/register')
  const lock = await lockFolder(path, 'REGISTER_URL')
  try {
    const folder = await databaseFolder(path)
    const open = () =>
      PGlite.create({ fs: new DurableFolder(folder, options.sync), startParams: [...DURABLE_START_PARAMS] })
    const database = await databaseOn(open, options)
    return {
      ...database,
      async [Symbol.asyncDispose]() {
        await database[Symbol.asyncDispose]()
        await lock[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

/** A database that is gone with the process, and with every engine that stops. */
async function openMemoryDatabase(options: PgliteOptions): Promise<Database> {
  const template = new Blob([new Uint8Array(await readTemplate())])
  return databaseOn(() => PGlite.create({ loadDataDir: template }), options)
}

async function databaseOn(open: () => Promise<PGlite>, options: PgliteOptions): Promise<Database> {
  const { log } = options
  const session = new OneSession(await open(), open, options)
  const kysely = kyselyOn(session)
  try {
    await migrate(kysely, log)
  } catch (error) {
    await kysely.destroy()
    throw error
  }
  const upkeep = startUpkeep(kysely, options)
  return {
    kysely,
    async check() {
      const question = sql`select 1`.execute(kysely)
      question.catch(() => {}) // answered too late for the one who asked
      await answerWithin(CHECK_MS_MAX, question, () => new RegisterAwayError(`no answer within ${CHECK_MS_MAX} ms`))
    },
    async [Symbol.asyncDispose]() {
      await upkeep[Symbol.asyncDispose]()
      await kysely.destroy()
    },
  }
}

/** The one session of a PGlite, handed from one to the next in order of asking. */
class OneSession implements Sessions {
  #pglite: PGlite | undefined
  readonly #open: () => Promise<PGlite>
  readonly #log: Log
  readonly #reopenAfterMs: number
  #isTaken = false
  #isEnding = false
  #reopenNotBefore = 0
  readonly #waiting: (() => void)[] = []

  constructor(pglite: PGlite, open: () => Promise<PGlite>, { log, reopenAfterMs = REOPEN_AFTER_MS }: PgliteOptions) {
    this.#pglite = pglite
    this.#open = open
    this.#log = log
    this.#reopenAfterMs = reopenAfterMs
  }

  async connect(): Promise<Session> {
    if (this.#isEnding) throw new RegisterAwayError('the register is closed')
    if (this.#waiting.length >= WAITING_MAX) throw new RegisterAwayError('too many questions wait for the register')
    await this.#take()
    try {
      this.#pglite ??= await this.#reopen()
      return { query: (text, values) => this.#query(text, values), release: () => this.#giveBack() }
    } catch (error) {
      this.#giveBack()
      throw error
    }
  }

  async end(): Promise<void> {
    this.#isEnding = true
    await this.#take()
    const pglite = this.#pglite
    this.#pglite = undefined
    await pglite?.close()
    this.#giveBack()
  }

  async #take(): Promise<void> {
    if (this.#isTaken) await new Promise<void>((go) => this.#waiting.push(go))
    else this.#isTaken = true
  }

  #giveBack(): void {
    const next = this.#waiting.shift() // the session passes on as it is, taken
    if (next === undefined) this.#isTaken = false
    else next()
  }

  async #query(text: string, values: readonly unknown[]): ReturnType<Session['query']> {
    if (this.#pglite === undefined) throw new RegisterAwayError('the embedded register has stopped')
    try {
      const { command, rows, affectedRows, rowCount } = await this.#pglite.query<unknown>(text, [...values])
      // PGlite swallows what kills its engine; all that is left to see is that the statement was never completed.
      if (command === undefined) throw new RegisterAwayError(`the embedded register stopped during: ${text}`)
      return { command, rows, rowCount: rowCount ?? affectedRows ?? 0 }
    } catch (error) {
      if (!(error instanceof Error && 'severity' in error && error.severity === 'ERROR')) this.#abandon(error)
      throw asRegisterError(error)
    }
  }

  /** An engine that has panicked must never be asked again: it would not answer, and hold up the whole process. */
  #abandon(error: unknown): void {
    this.#pglite = undefined
    this.#reopenNotBefore = performance.now() + this.#reopenAfterMs
    this.#log.error('register.away', { error })
  }

  /** A fresh engine on the same folder recovers what was committed, as after a crash. */
  async #reopen(): Promise<PGlite> {
    if (this.#isEnding || performance.now() < this.#reopenNotBefore)
      throw new RegisterAwayError('the embedded register has stopped and will be opened again')
    try {
      const pglite = await this.#open()
      this.#log.info('register.back')
      return pglite
    } catch (error) {
      this.#reopenNotBefore = performance.now() + this.#reopenAfterMs
      throw new RegisterAwayError('the embedded register cannot be opened again', { cause: error })
    }
  }
}

/**
 * What a server has processes for: checkpoints, so that the write-ahead log stays short, and vacuuming, one table at a time,
 * because the whole process waits for it.
 */
function startUpkeep(
  kysely: Kysely<Tables>,
  { log, upkeepEveryMs = UPKEEP_EVERY_MS, walBytesMax = WAL_BYTES_MAX }: PgliteOptions,
): AsyncDisposable {
  const run = (text: string) => kysely.executeQuery<Record<string, unknown>>(CompiledQuery.raw(text))
  let round = 0
  let last = Promise.resolve()
  const keepUp = async () => {
    round += 1
    const { rows } = await run(
      'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::float8 as bytes from pg_control_checkpoint()',
    )
    if (Number(rows[0]?.['bytes']) > walBytesMax) await run('checkpoint')
    if (round % ROUNDS_PER_VACUUM !== 0) return
    const table = VACUUMED_TABLES[(round / ROUNDS_PER_VACUUM) % VACUUMED_TABLES.length]
    if (table !== undefined) await run(`vacuum (analyze) ${table}`)
  }
  const timer = setInterval(() => {
    last = last.then(keepUp).catch((error: unknown) => log.debug('register.away', { error }))
  }, upkeepEveryMs)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await last
    },
  }
}
