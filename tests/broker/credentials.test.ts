import fc from 'fast-check'
import { Counter, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { Credentials } from '#broker/credentials'
import { RecentMap } from '#broker/recent-map'
import { REFUSAL_LINES_PER_MINUTE_MAX, Refusals } from '#broker/refusals'
import type { TerminalSerial } from '#contract/ids'
import { silentLog, type LogEvent } from '#contract/log-events'
import { SECRET, SERIAL, terminalRow, TerminalTable } from './broker-under-test.ts'

/** Credentials whose verification is counted, and right when the hash names the secret. */
function counted(terminals: TerminalTable, o: { fails?: boolean; lookupMs?: number } = {}) {
  const seen = { verifyCount: 0, events: [] as LogEvent[] }
  const note = (event: LogEvent) => void seen.events.push(event)
  const credentials = new Credentials({
    terminals,
    verifySecret: async (hash, secret) => {
      seen.verifyCount += 1
      if (o.fails === true) throw new Error('too many verifications waiting')
      return hash === `hash of ${secret}`
    },
    lookupMs: o.lookupMs ?? 50,
    log: { ...silentLog, warn: note, info: note },
  })
  return { credentials, seen }
}
const row = (secret: string) => terminalRow({ secretHash: `hash of ${secret}` })
const codeOf = (result: { ok: boolean; code?: string }) => (result.ok ? 'ok' : result.code)

describe('a proof', () => {
  it('is worked out once and remembered, right or wrong, until the stored hash changes', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { credentials, seen } = counted(terminals)
    const prove = async (secret: string) => codeOf(await credentials.prove({ serial: SERIAL, secret }))
    for (let count = 0; count < 3; count += 1) {
      expect(await prove(SECRET)).toBe('ok')
      expect(await prove('wrong')).toBe('admission.badCredentials')
    }
    expect(seen.verifyCount).toBe(2)
    terminals.put(await row('new'))
    expect(await prove(SECRET)).toBe('admission.badCredentials')
    expect(await prove('new')).toBe('ok')
    expect(seen.verifyCount).toBe(4)
    expect(terminals.askedCount).toBe(8)
  })

  it('of one terminal is none for another with the same hash', async () => {
    const other = 'TJ-0002' as TerminalSerial
    const terminals = new TerminalTable().put(await row(SECRET), { ...(await row(SECRET)), serial: other })
    const { credentials, seen } = counted(terminals)
    await credentials.prove({ serial: SERIAL, secret: SECRET })
    await credentials.prove({ serial: other, secret: SECRET })
    expect(seen.verifyCount).toBe(2)
  })

  it('that cannot be worked out now is “busy”, and is not remembered', async () => {
    const { credentials, seen } = counted(new TerminalTable().put(await row(SECRET)), { fails: true })
    for (let count = 0; count < 2; count += 1)
      expect(codeOf(await credentials.prove({ serial: SERIAL, secret: SECRET }))).toBe('admission.busy')
    expect(seen.verifyCount).toBe(2)
  })
})

describe('a row', () => {
  it('is served as last seen while the register is away, and its going and coming are told once', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { credentials, seen } = counted(terminals)
    await credentials.row(SERIAL)
    terminals.obstacle = () => Promise.reject(new Error('away'))
    for (let count = 0; count < 3; count += 1)
      expect(await credentials.row(SERIAL)).toMatchObject({ ok: true, value: { serial: SERIAL } })
    terminals.obstacle = async () => {}
    await credentials.row(SERIAL)
    expect(seen.events).toEqual(['register.away', 'register.back'])
  })

  it('that the register no longer has is forgotten, so that it is not served when the register goes away', async () => {
    const terminals = new TerminalTable().put(await row(SECRET))
    const { credentials } = counted(terminals)
    await credentials.row(SERIAL)
    terminals.rows.clear()
    await credentials.row(SERIAL)
    terminals.obstacle = () => Promise.reject(new Error('away'))
    expect(codeOf(await credentials.row(SERIAL))).toBe('admission.registerAway')
  })

  it('is not waited for longer than its time', async () => {
    const terminals = new TerminalTable()
    terminals.obstacle = () => new Promise(() => {})
    const { credentials } = counted(terminals, { lookupMs: 20 })
    expect(codeOf(await credentials.row(SERIAL))).toBe('admission.registerAway')
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
