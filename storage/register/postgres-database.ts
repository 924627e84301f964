/** The register on a PostgreSQL server: a pool of connections in which every wait has an end. */
import { Pool, types, type PoolClient, type PoolConfig } from 'pg'
import { sql } from 'kysely'
import type { Log } from '#contract/log-events'
import { answerWithin } from '#storage/within'
import { kyselyOn, type Database, type Session, type Sessions } from './database.ts'
import { migrate } from './migrate.ts'
import { RegisterAwayError, asRegisterError, sqlStateOf } from './register-away.ts'

const CONNECTIONS_MAX = 10
const CONNECT_MS_MAX = 5_000
const STATEMENT_MS_MAX = 10_000
const LOCK_MS_MAX = 5_000
/** A process that was frozen in the middle of a transaction must not keep its locks until somebody wakes it. */
const IDLE_IN_TRANSACTION_MS_MAX = 4_000
/** A migration may rewrite a large table. */
const MIGRATION_MS_MAX = 10 * 60_000
const CHECK_MS_MAX = 2_000
/** In compose the server starts at the same moment as we do. */
const OPEN_MS_MAX = 60_000
const OPEN_AGAIN_AFTER_MS = 1_000

const INT8 = 20
/** Instants and positions fit a double; what does not must not come back as a slightly different number. */
function parseInt8(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond what a number can tell exactly`)
  return value
}
const getTypeParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  // pg types this as one parser per type of column; it is a function of text all the same.
  oid === INT8 ? (parseInt8 as never) : (types.getTypeParser(oid, format) as never)

/** Tries for a minute when the server is away, then rejects with a sentence that names it. `openMsMax` shortens that in tests. */
export async function openPostgresDatabase(
  url: string,
  { log, openMsMax = OPEN_MS_MAX }: { log: Log; openMsMax?: number },
): Promise<Database> {
  await migrateWhenThere(url, log, openMsMax)
  const kysely = kyselyOn(sessionsOf(poolAt(url, log, { max: CONNECTIONS_MAX }, STATEMENT_MS_MAX)))
  return {
    kysely,
    async check() {
      const question = sql`select 1`.execute(kysely)
      question.catch(() => {}) // answered too late for the one who asked
      await answerWithin(CHECK_MS_MAX, question, () => new RegisterAwayError(`no answer within ${CHECK_MS_MAX} ms`))
    },
    [Symbol.asyncDispose]: () => kysely.destroy(),
  }
}

async function migrateWhenThere(url: string, log: Log, openMsMax: number): Promise<void> {
  const kysely = kyselyOn(sessionsOf(poolAt(url, log, { max: 1 }, MIGRATION_MS_MAX)))
  const startedAtMs = performance.now()
  try {
    for (let tryCount = 1; ; tryCount += 1) {
      const reason = await awayReason(migrate(kysely, log))
      if (reason === undefined) return tryCount > 1 ? log.info('register.back') : undefined
      if (performance.now() - startedAtMs >= openMsMax)
        throw new RegisterAwayError(
          `REGISTER_URL: the database at ${placeOf(url)} cannot be reached. ` +
            'Check that the server runs and that host, port, database, user and password are right.',
          { cause: reason },
        )
      if (tryCount === 1) log.warn('register.away', { at: placeOf(url), reason: reason.message })
      await new Promise((wake) => setTimeout(wake, OPEN_AGAIN_AFTER_MS))
    }
  } finally {
    await kysely.destroy()
  }
}

async function awayReason(work: Promise<unknown>): Promise<RegisterAwayError | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (error instanceof RegisterAwayError) return error
    throw error
  }
}

/** The URL without user and password, for people and logs. */
function placeOf(url: string): string {
  try {
    const { host, pathname } = new URL(url)
    return `${host}${pathname}`
  } catch {
    return 'the given URL'
  }
}

function poolAt(url: string, log: Log, config: PoolConfig, statementMsMax: number): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: 'tiwang',
    connectionTimeoutMillis: CONNECT_MS_MAX,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    statement_timeout: statementMsMax,
    // A server that fell silent never says so; this ends the wait on our side.
    query_timeout: statementMsMax + 2_000,
    lock_timeout: Math.min(LOCK_MS_MAX, statementMsMax),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
    types: { getTypeParser },
    ...config,
  })
  // An idle connection was lost; the next question gets a new one or says that the register is away.
  pool.on('error', (error) => log.debug('register.away', { reason: error.message }))
  return pool
}

function sessionsOf(pool: Pool): Sessions {
  return {
    async connect() {
      try {
        return sessionOf(await pool.connect())
      } catch (error) {
        throw asRegisterError(error)
      }
    },
    end: () => pool.end(),
  }
}

function sessionOf(client: PoolClient): Session {
  let isBroken = false
  const onError = () => {
    isBroken = true
  }
  client.on('error', onError) // without a listener the loss of a connection in use ends the process
  return {
    async query(text, values) {
      try {
        const { command, rowCount, rows } = await client.query<object>(text, [...values])
        return { command, rowCount, rows }
      } catch (error) {
        // Anything that is not a plain answer leaves the connection in doubt: its reply may still be under way.
        if (sqlStateOf(error) === undefined || !isPlain(error)) isBroken = true
        throw asRegisterError(error)
      }
    },
    release() {
      client.off('error', onError)
      client.release(isBroken)
    },
  }
}

const isPlain = (error: unknown): boolean => error instanceof Error && 'severity' in error && error.severity === 'ERROR'
