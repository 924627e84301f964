import { connect, createServer, type Socket } from 'node:net'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openPostgresDatabase } from '#storage/register/postgres-database'
import { RegisterAwayError, openRegister } from '#storage/register/register'
import { registerOn } from '#storage/register/register-on'
import { freePort } from '../servers/free-port.ts'
import { startPostgres, type Postgres } from '../servers/postgres.ts'
import { startRegisterProcess } from './register-process.ts'
import { change, putSmallTown } from './register-rows.ts'

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

// Processes are started and servers waited for; a machine that is busy takes its time.
vi.setConfig({ testTimeout: 90_000 })

describe('register on a PostgreSQL server', () => {
  it('is migrated once when three processes start at the same moment', async () => {
    const url = await postgres.newDatabase()
    const started = [1, 2, 3].map(() => startRegisterProcess('open', url))
    await Promise.all(started.map(({ exited }) => exited))
    expect(started.map(({ lines }) => lines.at(-1))).toEqual(['open', 'open', 'open'])
    expect(started.flatMap(({ lines }) => lines).filter((text) => text === 'register.migrated')).toHaveLength(1)
  })

  it('opens one alarm when two processes raise at the same moment', async () => {
    const url = await postgres.newDatabase()
    await using one = await openRegister(url, { log: silentLog })
    await using other = await openRegister(url, { log: silentLog })
    await putSmallTown(one)
    for (let round = 1; round <= 20; round += 1) {
      const id = `lift-${round}`
      const raises = [1, 1, 2].flatMap((onset) => [one, other].map((register) => ({ register, onset })))
      const applied = await Promise.all(
        raises.map(({ register, onset }) => register.alarms.apply(change('raise', id, onset))),
      )
      expect(applied.filter((one) => one !== undefined)).toHaveLength(2)
      const { rows } = await one.alarms.list({ scope: { all: true }, lift: change('raise', id, 1).lift, limit: 9 })
      expect(rows).toMatchObject([{ raiseCount: 2 }])
    }
  })

  it('is away while the server is, never ends the process, and goes on when the server is back', async () => {
    const url = await postgres.newDatabase()
    await using register = await openRegister(url, { log: silentLog })
    await putSmallTown(register)
    await postgres.crash()
    await expect(register.lifts.count()).rejects.toThrow(RegisterAwayError)
    await expect(register.alarms.apply(change('raise', 'lift-a', 1))).rejects.toThrow(RegisterAwayError)
    await expect(register.check()).rejects.toThrow(RegisterAwayError)
    await postgres.start()
    await expect.poll(() => register.lifts.count().catch(String), { timeout: 20_000 }).toBe(3)
    expect(await register.alarms.apply(change('raise', 'lift-a', 1))).toBeDefined()
  })

  it('says within about two seconds that it is away when the server falls silent', async () => {
    const url = new URL(await postgres.newDatabase())
    await using between = await startProxy(Number(url.port))
    url.port = String(between.port)
    await using register = await openRegister(url.href, { log: silentLog })
    await register.check()
    between.fallSilent()
    const startedAtMs = performance.now()
    await expect(register.check()).rejects.toThrow(RegisterAwayError)
    expect(performance.now() - startedAtMs).toBeLessThan(4_000)
    between.cut()
    await expect(register.lifts.count()).rejects.toThrow(RegisterAwayError)
  })

  it('waits for a server that is not there yet, and says so once', async () => {
    await postgres.crash()
    const url = 'postgres://tiwang@127.0.0.1:1/postgres'
    const events: string[] = []
    const log = {
      ...silentLog,
      warn: (event: string) => events.push(event),
      info: (event: string) => events.push(event),
    }
    await expect(openPostgresDatabase(url, { log, openMsMax: 1_500 })).rejects.toThrow(
      /cannot be reached.*password are right/s,
    )
    expect(events).toEqual(['register.away'])
    await postgres.start()
    const later = await postgres.newDatabase()
    await postgres.crash()
    const opening = openPostgresDatabase(later, { log })
    await new Promise((wake) => setTimeout(wake, 1_200))
    await postgres.start()
    await using database = await opening
    await database.check()
    expect(events.slice(1)).toEqual(['register.away', 'register.migrated', 'register.back'])
  })

  it('never tells the password when it cannot be reached', async () => {
    const url = `postgres://tiwang:geheim@127.0.0.1:${await freePort()}/nowhere`
    const error: unknown = await openPostgresDatabase(url, { log: silentLog, openMsMax: 0 }).catch(String)
    expect(String(error)).toContain('127.0.0.1')
    expect(String(error)).not.toContain('geheim')
  })

  it('says what is wrong with the URL when waiting would not help', async () => {
    const url = new URL(await postgres.newDatabase())
    url.pathname = '/not_there'
    await expect(openRegister(url.href, { log: silentLog })).rejects.toThrow(/database "not_there" does not exist/)
  })

  it('refuses numbers that it could only tell approximately', async () => {
    await using database = await openPostgresDatabase(await postgres.newDatabase(), { log: silentLog })
    await expect(sql`select 9007199254740993::bigint`.execute(database.kysely)).rejects.toThrow(RangeError)
  })

  it('closes its connections', async () => {
    const url = await postgres.newDatabase()
    const register = registerOn(await openPostgresDatabase(url, { log: silentLog }))
    await Promise.all([1, 2, 3].map(() => register.lifts.count()))
    await register[Symbol.asyncDispose]()
    await using database = await openPostgresDatabase(url, { log: silentLog })
    const connections = async () =>
      (
        await sql<{
          count: number
        }>`select count(*)::int as count from pg_stat_activity where datname = current_database()`.execute(
          database.kysely,
        )
      ).rows[0]?.count
    await expect.poll(connections, { timeout: 5_000 }).toBe(1)
  })
})

/** A stretch of network between the register and its server. */
async function startProxy(port: number) {
  const ends = new Set<Socket>()
  let isSilent = false
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(from)
      from.on('error', () => {}).on('close', () => to.destroy())
      from.on('data', (chunk) => (isSilent ? undefined : to.write(chunk)))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address')
  const cut = () => {
    server.close()
    for (const end of ends) end.destroy()
  }
  return {
    port: address.port,
    fallSilent: () => {
      isSilent = true
    },
    cut,
    [Symbol.asyncDispose]: async () => cut(),
  }
}
