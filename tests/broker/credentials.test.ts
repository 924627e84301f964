import fc from 'fast-check'
import { Counter, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { followTerminals } from '#broker/change-feed'
import { Credentials } from '#broker/credentials'
import { RecentMap } from '#contract/recent-map'
import { REFUSAL_LINES_PER_MINUTE_MAX, Refusals } from '#broker/refusals'
import { LOOKUPS_MAX, TerminalRows, UNKNOWN_MS } from '#broker/terminal-rows'
import type { TerminalSerial } from '#contract/ids'
import { silentLog, type LogEvent } from '#contract/log-events'
import { eventually, SECRET, SERIAL, terminalRow, TerminalTable } from './broker-under-test.ts'

/** Credentials whose verification is counted, and right when the hash names the secret. */
function counted(terminals: TerminalTable, o: { fails?: boolean; lookupMs?: number } = {}) {
  const seen = { verifyCount: 0, events: [] as LogEvent[], nowMs: 0, beforeAnswer: () => {} }
  const note = (event: LogEvent) => void seen.events.push(event)
  const rows = new TerminalRows({
    terminals,
    lookupMs: o.lookupMs ?? 50,
    elapsedMs: () => seen.nowMs,
    log: { ...silentLog, warn: note, info: note },
  })
  const credentials = new Credentials({
    rows,
    verifySecret: async (hash, secret) => {
      seen.verifyCount += 1
      if (o.fails === true) throw new Error('too many verifications waiting')
      seen.beforeAnswer()
      return hash === `hash of ${secret}`
    },
  })
  const prove = async (secret: string, serial = SERIAL) =>
    codeOf(await credentials.prove({ serial, secret, proof: 'secret' }))
  return { credentials, rows, seen, prove }
}
const row = (secret: string) => terminalRow({ secretHash: `hash of ${secret}` })
const codeOf = (result: { ok: boolean; code?: string }) => (result.ok ? 'ok' : result.code)

describe('a proof', () => {
  it('is worked out once and remembered, right or wrong, until the stored hash changes', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { rows, seen, prove } = counted(terminals)
    for (let count = 0; count < 3; count += 1) {
      expect(await prove(SECRET)).toBe('ok')
      expect(await prove('wrong')).toBe('admission.badCredentials')
    }
    expect(seen.verifyCount).toBe(2)
    rows.put({ ...(await row('new')), revision: 2 })
    expect(await prove(SECRET)).toBe('admission.badCredentials')
    expect(await prove('new')).toBe('ok')
    expect(seen.verifyCount).toBe(4)
    expect(terminals.askedCount).toBe(1)
  })

  it('of one terminal is none for another with the same hash', async () => {
    const other = 'TJ-0002' as TerminalSerial
    const terminals = new TerminalTable().put(await row(SECRET), { ...(await row(SECRET)), serial: other })
    const { credentials, seen, prove } = counted(terminals)
    await prove(SECRET)
    expect(credentials.remembers({ serial: SERIAL, secret: SECRET })).toBe(true)
    expect(credentials.remembers({ serial: other, secret: SECRET })).toBe(false)
    await prove(SECRET, other)
    expect(seen.verifyCount).toBe(2)
  })

  it('that cannot be worked out now is “busy”, and is not remembered', async () => {
    const { seen, prove } = counted(new TerminalTable().put(await row(SECRET)), { fails: true })
    for (let count = 0; count < 2; count += 1) expect(await prove(SECRET)).toBe('admission.busy')
    expect(seen.verifyCount).toBe(2)
  })

  it('is not remembered of a wrong secret, nor of a terminal that has none', async () => {
    const terminals = new TerminalTable().put(await terminalRow({ secretHash: null }))
    const { credentials, rows, seen, prove } = counted(terminals)
    expect(await prove('null')).toBe('admission.badCredentials')
    expect(seen.verifyCount).toBe(0)
    rows.put({ ...(await row(SECRET)), revision: 2 })
    await prove('wrong')
    expect(credentials.remembers({ serial: SERIAL, secret: 'wrong' })).toBe(false)
  })

  it('counts only for the secret that the register has when it is done', async () => {
    const { credentials, rows, seen } = counted(new TerminalTable().put(await row(SECRET)))
    const changed = { ...(await row('new')), revision: 2 }
    seen.beforeAnswer = () => rows.put(changed)
    const proven = await credentials.prove({ serial: SERIAL, secret: SECRET, proof: 'secret' })
    if (!proven.ok) throw new Error(proven.code)
    expect(codeOf(credentials.newest(proven.value))).toBe('admission.badCredentials')
  })

  it('by certificate asks for the row alone', async () => {
    const { credentials, seen } = counted(new TerminalTable().put(await terminalRow({ secretHash: null })))
    const claim = { serial: SERIAL, secret: '', proof: 'certificate' } as const
    expect(await credentials.prove(claim)).toMatchObject({ ok: true, value: { serial: SERIAL } })
    expect(seen.verifyCount).toBe(0)
  })
})

describe('a row', () => {
  it('is looked up once; the newer of two stays, whichever comes last', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { rows } = counted(terminals)
    await Promise.all([rows.row(SERIAL), rows.row(SERIAL)])
    await rows.row(SERIAL)
    expect(terminals.askedCount).toBeLessThanOrEqual(2)
    rows.put({ ...(await row('newer')), revision: 7 })
    rows.put({ ...(await row('older')), revision: 6 })
    expect(rows.known(SERIAL)?.secretHash).toBe('hash of newer')
    await rows.askedRow(SERIAL)
    expect(rows.known(SERIAL)?.secretHash).toBe('hash of newer')
  })

  it('is served as last seen while the register is away, and its going and coming are told once', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { rows, seen } = counted(terminals)
    await rows.row(SERIAL)
    terminals.obstacle = () => Promise.reject(new Error('away'))
    for (let count = 0; count < 3; count += 1) {
      expect(await rows.row(SERIAL)).toMatchObject({ ok: true, value: { serial: SERIAL } })
      expect(codeOf(await rows.askedRow(SERIAL))).toBe('admission.registerAway')
    }
    terminals.obstacle = async () => {}
    await rows.askedRow(SERIAL)
    expect(seen.events).toEqual(['register.away', 'register.back'])
  })

  it('that the register does not have is asked for once in a while, and found at once when the feed brings it', async () => {
    const terminals = new TerminalTable()
    const { rows, seen } = counted(terminals)
    for (let count = 0; count < 5; count += 1) expect(await rows.row(SERIAL)).toEqual({ ok: true, value: undefined })
    expect(terminals.askedCount).toBe(1)
    seen.nowMs = UNKNOWN_MS
    await rows.row(SERIAL)
    expect(terminals.askedCount).toBe(2)
    rows.put(await row(SECRET))
    expect(await rows.row(SERIAL)).toMatchObject({ ok: true, value: { serial: SERIAL } })
  })

  it('that the register has no longer is forgotten when it says so', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { rows } = counted(terminals)
    await rows.row(SERIAL)
    terminals.rows.clear()
    await rows.askedRow(SERIAL)
    terminals.obstacle = () => Promise.reject(new Error('away'))
    expect(rows.known(SERIAL)).toBeUndefined()
  })

  it('is not waited for longer than its time, and only so many are looked up at once', async () => {
    const terminals = new TerminalTable()
    terminals.obstacle = () => new Promise(() => {})
    const { rows } = counted(terminals, { lookupMs: 20 })
    const asked = Array.from({ length: LOOKUPS_MAX + 3 }, (_, number) => rows.row(`TJ-9${number}` as TerminalSerial))
    const codes = (await Promise.all(asked)).map(codeOf)
    expect(codes.filter((code) => code === 'admission.registerAway')).toHaveLength(LOOKUPS_MAX)
    expect(codes.filter((code) => code === 'admission.busy')).toHaveLength(3)
    terminals.obstacle = async () => {}
    expect(codeOf(await rows.row(SERIAL))).toBe('ok')
  })
})

describe('the change feed', () => {
  it('reads every row in pages, then what changes, and begins again when the register is another one', async () => {
    const fleet = Array.from({ length: 4_500 }, (_, number) => `TJ-${number}` as TerminalSerial)
    const known = await row(SECRET)
    const table = new TerminalTable().put(...fleet.map((serial) => ({ ...known, serial })))
    let source: Pick<TerminalTable, 'changedAfter'> = table
    const { rows } = counted(table)
    const heard: string[] = []
    const feed = await followTerminals({
      terminals: { changedAfter: (revision, limit) => source.changedAfter(revision, limit) },
      rows,
      everyMs: 5,
      lookupMs: 1_000,
      onRow: ({ serial }) => void heard.push(serial),
      onFault: (fault) => {
        throw fault
      },
    })
    expect(rows.size).toBe(fleet.length)
    expect(table.feedCount).toBe(4)
    heard.length = 0
    table.put({ ...known, serial: 'TJ-7' as TerminalSerial, revokedAtMs: 9 })
    await eventually('the revocation is known', () => rows.known('TJ-7' as TerminalSerial)?.revokedAtMs === 9)
    expect(heard).toEqual(['TJ-7'])

    source = new TerminalTable().put({ ...known, serial: 'TJ-8' as TerminalSerial })
    await eventually('only the other register counts', () => rows.size === 1)
    expect(rows.known('TJ-8' as TerminalSerial)).toBeDefined()
    feed.stop()
  })

  it('outlives a register that rejects or never answers', async () => {
    const table = new TerminalTable().put(await row(SECRET))
    const { rows } = counted(table)
    table.obstacle = () => new Promise(() => {})
    const o = { terminals: table, rows, everyMs: 5, lookupMs: 10, onRow: () => {}, onFault: () => {} }
    const feed = await followTerminals(o)
    expect(rows.size).toBe(0)
    table.obstacle = () => Promise.reject(new Error('away'))
    const asked = table.feedCount
    await eventually('it was asked again', () => table.feedCount > asked + 2)
    table.obstacle = async () => {}
    await eventually('the row is there', () => rows.size === 1)
    feed.stop()
  })
})

describe('a recent map', () => {
  it('never holds more than its bound, and drops what was used longest ago', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean())), (uses) => {
        const map = new RecentMap<number, number>(3)
        let model: number[] = []
        for (const [key, isSet] of uses) {
          if (isSet) map.set(key, key)
          else expect(map.get(key)).toBe(model.includes(key) ? key : undefined)
          if (isSet || model.includes(key)) model = [...model.filter((other) => other !== key), key].slice(-3)
        }
        expect(map.size).toBe(model.length)
      }),
      { seed: 3, numRuns: 300 },
    )
  })
})

describe('refusals', () => {
  it('are all counted, but told only so often in a minute, with how many were not told', () => {
    const lines: unknown[] = []
    let nowMs = 0
    const registers = [new Registry()]
    const counter = new Counter({ name: 'refusals', help: 'x', labelNames: ['code'] as const, registers })
    const log = {
      ...silentLog,
      warn: (_event: LogEvent, fields?: Readonly<Record<string, unknown>>) =>
        void lines.push(fields?.['unloggedCount']),
    }
    const refusals = new Refusals({ counter, log, nowMs: () => nowMs })
    for (let count = 0; count < REFUSAL_LINES_PER_MINUTE_MAX + 5; count += 1) refusals.count('admission.qos', {})
    refusals.count('admission.busy', {})
    expect(lines).toHaveLength(REFUSAL_LINES_PER_MINUTE_MAX + 1)
    nowMs = 60_000
    refusals.count('admission.qos', {})
    expect(lines.at(-1)).toBe(5)
  })
})
