import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nextAlarmState, type Alarm, type AlarmChange, type AlarmState, type Occurrence } from '#contract/alarms'
import type { AlarmId, LiftId, OrganisationId, TerminalSerial, UserId } from '#contract/ids'
import { silentLift } from '#contract/live'
import { silentLog } from '#contract/log-events'
import { QUARANTINE_ROWS_MAX, openRegister, type Register } from '#storage/register/register'
import { startPostgres, type Postgres } from '../servers/postgres.ts'
import { change, lift, organisation, pagesOf, putSmallTown, quarantined, terminal, user } from './register-rows.ts'

const ALL = { all: true } as const
const scopeOfContractor = (id: string) => ({ contractor: id as OrganisationId })

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

const KINDS: Readonly<Record<string, () => Promise<string>>> = {
  'pglite:memory': async () => 'pglite:memory',
  postgres: () => postgres.newDatabase(),
}

for (const [kind, newUrl] of Object.entries(KINDS)) {
  describe(`register on ${kind}`, () => {
    let register: Register
    let liftCount = 0
    /** A lift of its own for each test, so that they do not see one another's alarms. */
    const newLift = async (contractor: string | null = 'contractor-a'): Promise<LiftId> => {
      liftCount += 1
      const row = lift(`own-${liftCount}`, contractor)
      await register.lifts.put([row])
      return row.id
    }
    beforeAll(async () => {
      register = await openRegister(await newUrl(), { log: silentLog })
      await putSmallTown(register)
    })
    afterAll(() => register[Symbol.asyncDispose]())

    describe('lifts, terminals and people', () => {
      it('gives back a lift exactly as it was put, and the newer one when it is put again', async () => {
        const row = lift('lift-roundtrip', 'contractor-a', { longitude: 121.45678901234567, landings: [] })
        await register.lifts.put([row])
        expect(await register.lifts.byId(row.id)).toEqual(row)
        const newer = { ...row, name: '改名', contractor: null, landings: [{ label: 'B1', heightMm: -3_000 }] }
        await register.lifts.put([row, newer])
        expect(await register.lifts.byId(row.id)).toEqual(newer)
        expect(await register.lifts.byId('lift-unknown' as LiftId)).toBeUndefined()
      })
      it('lists lifts by id, and to a contractor only its own', async () => {
        const all = (await register.lifts.all(ALL)).map(({ id }) => id)
        expect(all).toEqual([...all].sort())
        expect(all).toContain('lift-none')
        expect(await register.lifts.count()).toBe(all.length)
        const own = await register.lifts.all(scopeOfContractor('contractor-b'))
        expect(own.map(({ id }) => id)).toEqual(['lift-b'])
      })
      it('takes more lifts at once than fit one statement', async () => {
        const rows = Array.from({ length: 2_500 }, (_, index) => lift(`many-${index}`, 'contractor-many'))
        await register.organisations.put([organisation('contractor-many')])
        await register.lifts.put(rows)
        expect(await register.lifts.all(scopeOfContractor('contractor-many'))).toHaveLength(2_500)
      })
      it('rebinds a terminal, and shows its hash only to who asks for it by serial', async () => {
        const row = terminal('TJ-0001', 'lift-a')
        await register.terminals.put([row])
        await register.terminals.put([{ ...row, lift: 'lift-b' as LiftId, revokedAtMs: 1_795_190_400_999 }])
        const serial = 'TJ-0001' as TerminalSerial
        expect(await register.terminals.bySerial(serial)).toEqual({
          ...row,
          lift: 'lift-b',
          revokedAtMs: 1_795_190_400_999,
          revision: expect.any(Number) as number,
        })
        expect(await register.terminals.bySerial('TJ-9999' as TerminalSerial)).toBeUndefined()
        for (const listed of await register.terminals.all()) expect(listed).not.toHaveProperty('secretHash')
      })
      it('keeps people, their hash apart', async () => {
        const row = user('wang', 'contractor-a')
        await register.users.put([row])
        const { passwordHash: _, ...person } = row
        expect(await register.users.byUsername('wang')).toEqual(row)
        expect(await register.users.byId('wang' as UserId)).toEqual(person)
        expect(await register.users.byUsername('wang\0')).toBeUndefined()
        expect(await register.users.count()).toBeGreaterThan(0)
      })
    })

    describe('sessions', () => {
      const open = async (tokenHash: string) => {
        await register.users.put([user('li', 'contractor-a')])
        await register.sessions.open({ tokenHash, user: 'li' as UserId, openedAtMs: 1_000, expiresAtMs: 10_000 })
      }
      it('lives as long as it is used, and not beyond its end', async () => {
        await open('a1')
        const use = (nowMs: number) => register.sessions.use('a1', { nowMs, idleMsMax: 3_000 })
        expect(await use(3_500)).toMatchObject({ id: 'li', role: 'contractor' })
        expect(await use(6_400)).not.toHaveProperty('passwordHash')
        expect(await use(9_300)).toBeDefined()
        expect(await use(10_000)).toBeUndefined()
      })
      it('is over when it was not used for too long, or was closed', async () => {
        await open('b1')
        expect(await register.sessions.use('b1', { nowMs: 4_001, idleMsMax: 3_000 })).toBeUndefined()
        await open('b2')
        await register.sessions.close('b2')
        expect(await register.sessions.use('b2', { nowMs: 1_001, idleMsMax: 3_000 })).toBeUndefined()
      })
      it('is swept away when it is over, and only then', async () => {
        await register.sessions.sweep({ nowMs: Number.MAX_SAFE_INTEGER, idleMsMax: 0 })
        await open('c1')
        await open('c2')
        await register.sessions.use('c2', { nowMs: 5_000, idleMsMax: 9_000 })
        expect(await register.sessions.sweep({ nowMs: 6_000, idleMsMax: 4_000 })).toBe(1)
        expect(await register.sessions.use('c2', { nowMs: 6_000, idleMsMax: 4_000 })).toBeDefined()
      })
    })

    describe('alarms', () => {
      it('opens an alarm with its first line of history and the contractor of the lift', async () => {
        const id = await newLift('contractor-b')
        const raise = change('raise', id, 100_000)
        const applied = await register.alarms.apply(raise)
        expect(applied?.alarm).toMatchObject({
          id: raise.id,
          state: 'unacknowledged',
          raiseCount: 1,
          contractor: 'contractor-b',
        })
        expect(applied?.occurrence).toEqual({
          ...{ alarm: raise.id, number: 1, event: 'raise', atMs: 115_000, by: null, note: null },
          trace: raise.trace,
        })
        expect(await register.alarms.byId(raise.id, ALL)).toEqual(applied?.alarm)
        expect(await register.alarms.occurrences(raise.id)).toEqual([applied?.occurrence])
      })
      it('opens an alarm for a lift that is not registered: it may be somebody’s life', async () => {
        const applied = await register.alarms.apply(change('raise', 'lift-of-nobody', 5))
        expect(applied?.alarm).toMatchObject({ state: 'unacknowledged', contractor: null })
      })
      it('does nothing when the same raise comes again, also after the alarm was acknowledged, returned or closed', async () => {
        const id = await newLift()
        const raise = change('raise', id, 100_000)
        const again = async () => expect(await register.alarms.apply({ ...raise, atMs: 999_999 })).toBeUndefined()
        await register.alarms.apply(raise)
        await again()
        await register.alarms.apply(change('return', id, 100_000))
        await again()
        expect(await register.alarms.byId(raise.id, ALL)).toMatchObject({
          state: 'returned-unacknowledged',
          raiseCount: 1,
        })
        await register.alarms.acknowledge({ id: raise.id, scope: ALL, by: '王', note: null, atMs: 3 })
        await again()
        expect(await register.alarms.byId(raise.id, ALL)).toMatchObject({ state: 'closed', raiseCount: 1 })
        expect(await register.alarms.occurrences(raise.id)).toHaveLength(3)
      })
      it('counts a new condition on an open alarm as a repeat of it, once', async () => {
        const id = await newLift()
        const first = change('raise', id, 100_000)
        const second = change('raise', id, 200_000)
        await register.alarms.apply(first)
        const repeated = await register.alarms.apply(second)
        expect(repeated?.alarm).toMatchObject({ id: first.id, raiseCount: 2, onsetAtMs: 100_000 })
        expect(await register.alarms.apply(second)).toBeUndefined()
        expect(await register.alarms.byId(second.id, ALL)).toBeUndefined()
      })
      it('stands again as a whole when the condition comes back before anybody has acknowledged it', async () => {
        const id = await newLift()
        await register.alarms.apply(change('raise', id, 100_000, { certainty: 'confirmed' }))
        await register.alarms.apply(change('return', id, 100_000))
        const applied = await register.alarms.apply(change('raise', id, 200_000))
        expect(applied?.alarm).toMatchObject({
          ...{ state: 'unacknowledged', returnedAtMs: null, certainty: 'suspected', raiseCount: 2, onsetAtMs: 200_000 },
        })
      })
      it('does not end a standing alarm by a replayed return of the condition before', async () => {
        const id = await newLift()
        await register.alarms.apply(change('raise', id, 100_000))
        await register.alarms.apply(change('return', id, 100_000))
        await register.alarms.apply(change('raise', id, 200_000))
        expect(await register.alarms.apply(change('return', id, 100_000, { atMs: 999_999 }))).toBeUndefined()
        expect((await register.alarms.apply(change('return', id, 200_000)))?.alarm.state).toBe(
          'returned-unacknowledged',
        )
      })
      it('does not touch a later alarm by changes of one that is closed', async () => {
        const id = await newLift()
        const first = change('raise', id, 100_000)
        await register.alarms.apply(first)
        await register.alarms.acknowledge({ id: first.id, scope: ALL, by: '王', note: null, atMs: 1 })
        await register.alarms.apply(change('return', id, 100_000))
        await register.alarms.apply(change('raise', id, 200_000, { priority: 4 }))
        for (const event of ['confirm', 'escalate', 'return'] as const)
          expect(await register.alarms.apply(change(event, id, 100_000)), event).toBeUndefined()
      })
      it('has nothing to confirm, escalate or return when no alarm is open', async () => {
        const id = await newLift()
        for (const event of ['confirm', 'escalate', 'return'] as const)
          expect(await register.alarms.apply(change(event, id, 100_000)), event).toBeUndefined()
      })
      it('confirms once, and escalates only to what is more urgent', async () => {
        const id = await newLift()
        const kind = 'terminal-offline'
        const apply = (event: AlarmChange['event'], row: Partial<AlarmChange>) =>
          register.alarms.apply(change(event, id, 100_000, { kind, ...row }))
        await apply('raise', { priority: 4 })
        expect((await apply('confirm', { priority: 4 }))?.alarm).toMatchObject({ certainty: 'confirmed', priority: 4 })
        expect(await apply('confirm', { priority: 4 })).toBeUndefined()
        expect((await apply('escalate', { priority: 2 }))?.alarm).toMatchObject({
          priority: 2,
          state: 'unacknowledged',
        })
        expect(await apply('escalate', { priority: 3 })).toBeUndefined()
        expect(await apply('escalate', { priority: 2 })).toBeUndefined()
      })
      it('acknowledges in the name of a person, once, and never makes the condition go away', async () => {
        const id = await newLift()
        const raise = change('raise', id, 100_000)
        await register.alarms.apply(raise)
        const acknowledge = () =>
          register.alarms.acknowledge({ id: raise.id, scope: ALL, by: '王师傅', note: '已派人\0', atMs: 7 })
        const answer = await acknowledge()
        expect(answer).toMatchObject({
          ok: true,
          value: {
            alarm: { state: 'acknowledged', acknowledgedBy: '王师傅', acknowledgedAtMs: 7, closedAtMs: null },
            occurrence: { number: 2, event: 'acknowledge', by: '王师傅', note: '已派人\ufffd', trace: null },
          },
        })
        expect(await acknowledge()).toMatchObject({ ok: false, code: 'alarm.wrongState' })
        expect((await register.alarms.apply(change('return', id, 100_000, { atMs: 9 })))?.alarm).toMatchObject({
          ...{ state: 'closed', returnedAtMs: 9, closedAtMs: 9 },
        })
      })
      it('is not acknowledged by a person who has not seen that it was raised again', async () => {
        const id = await newLift()
        const raise = change('raise', id, 100_000)
        await register.alarms.apply(raise)
        await register.alarms.apply(change('raise', id, 200_000))
        const acknowledge = (raiseCount: number) =>
          register.alarms.acknowledge({ id: raise.id, scope: ALL, by: '王', note: null, atMs: 7, raiseCount })
        for (const seen of [1, 3])
          expect(await acknowledge(seen)).toMatchObject({ ok: false, code: 'alarm.wrongState' })
        expect(await register.alarms.byId(raise.id, ALL)).toMatchObject({ state: 'unacknowledged', raiseCount: 2 })
        expect(await register.alarms.occurrences(raise.id)).toHaveLength(2)
        expect(await acknowledge(2)).toMatchObject({ ok: true, value: { alarm: { state: 'acknowledged' } } })
      })
      it('hides an alarm from a contractor that does not serve the lift', async () => {
        const id = await newLift('contractor-b')
        const raise = change('raise', id, 100_000)
        await register.alarms.apply(raise)
        const scope = scopeOfContractor('contractor-a')
        expect(await register.alarms.byId(raise.id, scope)).toBeUndefined()
        expect((await register.alarms.list({ scope, limit: 500, lift: id })).rows).toEqual([])
        const answer = await register.alarms.acknowledge({ id: raise.id, scope, by: '王', note: null, atMs: 1 })
        expect(answer).toMatchObject({ ok: false, code: 'notFound' })
        const own = { scope: scopeOfContractor('contractor-b'), limit: 500, lift: id }
        expect((await register.alarms.list(own)).rows).toHaveLength(1)
        expect(await register.alarms.byId(raise.id, own.scope)).toMatchObject({ state: 'unacknowledged' })
        const unknown = 'lift-x.terminal-offline.1' as AlarmId
        const refused = await register.alarms.acknowledge({ id: unknown, scope: ALL, by: '王', note: null, atMs: 1 })
        expect(refused).toMatchObject({ ok: false, code: 'notFound' })
      })
      it('opens one alarm, with one line for each raise, when many raise at the same moment', async () => {
        const id = await newLift()
        const onsets = [100_000, 200_000, 300_000, 100_000, 200_000, 300_000]
        const applied = await Promise.all(onsets.map((onset) => register.alarms.apply(change('raise', id, onset))))
        expect(applied.filter((one) => one !== undefined)).toHaveLength(3)
        const { rows } = await register.alarms.list({ scope: ALL, lift: id, limit: 10 })
        expect(rows).toMatchObject([{ raiseCount: 3 }])
        const lines = await register.alarms.occurrences(rows[0]?.id as AlarmId)
        expect(lines.map(({ number }) => number)).toEqual([1, 2, 3])
      })
      it('lets an acknowledgement and a return at the same moment close the alarm between them', async () => {
        for (let round = 1; round <= 5; round += 1) {
          const id = await newLift()
          const raise = change('raise', id, 100_000)
          await register.alarms.apply(raise)
          const [answer, returned] = await Promise.all([
            register.alarms.acknowledge({ id: raise.id, scope: ALL, by: '王', note: null, atMs: 1 }),
            register.alarms.apply(change('return', id, 100_000)),
          ])
          expect(answer.ok && returned !== undefined).toBe(true)
          expect(await register.alarms.byId(raise.id, ALL)).toMatchObject({ state: 'closed' })
        }
      })
      it('writes what no text column takes, rather than never', async () => {
        const id = await newLift()
        const summary = { carPosition: 'a\0\ud800\\u0000', passengerCount: null, lastHeardAtMs: null }
        const applied = await register.alarms.apply(change('raise', id, 100_000, { summary }))
        const kept = await register.alarms.byId(applied?.alarm.id as AlarmId, ALL)
        expect(kept?.summary.carPosition).toBe('a\ufffd\ufffd\\u0000')
      })
      it('lists the newest raise first, page by page, without gap or repeat while alarms are added', async () => {
        const id = await newLift()
        for (let onset = 1; onset <= 5; onset += 1) {
          await register.alarms.apply(change('raise', id, onset, { atMs: 50 + (onset % 2) })) // with equal instants
          await register.alarms.acknowledge({
            id: change('raise', id, onset).id,
            scope: ALL,
            by: '王',
            note: null,
            atMs: 60,
          })
          await register.alarms.apply(change('return', id, onset))
        }
        const asked = { scope: ALL, lift: id, states: ['closed'], limit: 2 } as const
        const pages = await pagesOf(async (after) => {
          const page = await register.alarms.list({ ...asked, ...(after === undefined ? {} : { after }) })
          return { ...page, rows: page.rows.map(({ onsetAtMs }) => onsetAtMs) }
        })
        expect(pages).toEqual([[5, 3], [1, 4], [2]])
        expect((await register.alarms.list({ ...asked, states: ['acknowledged'] })).rows).toEqual([])
        expect((await register.alarms.list({ ...asked, states: [] })).rows).toEqual([])
        for (const after of ['nonsense', '', 'WyJhIl0', Buffer.from('[1.5,"a\0"]').toString('base64url')])
          expect(await register.alarms.list({ ...asked, after })).toEqual({ rows: [], next: null })
      })
      it('lives as the model of an alarm lives, whatever comes in whatever order and however often', async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 14 }), async (acts) => {
            const id = await newLift()
            const model = new AlarmModel()
            for (const act of acts) {
              const expected = model.step(act)
              const applied =
                act.event === 'acknowledge'
                  ? await acknowledgeOpen(register, id)
                  : await register.alarms.apply(change(act.event, id, act.onset, { priority: act.priority }))
              expect(applied !== undefined, JSON.stringify(act)).toBe(expected)
            }
            const { rows } = await register.alarms.list({ scope: ALL, lift: id, limit: 100 })
            expect(rows.filter(({ state }) => state !== 'closed').map(({ state }) => state)).toEqual(
              model.open === undefined ? [] : [model.open.state],
            )
            for (const row of rows) expectSound(row, await register.alarms.occurrences(row.id))
          }),
          { numRuns: 25, seed: 20_261_121 },
        )
      }, 120_000)
    })

    describe('checkpoint, quarantine and audit', () => {
      it('has no checkpoint at first, and then the last one with every lift that ever changed', async () => {
        expect(await register.liveStates.load()).toEqual({ position: 0, lifts: [] })
        const rowOf = (id: string, position: number, memory: unknown) => ({
          ...{ state: { ...silentLift(id as LiftId), position }, memory },
        })
        await register.liveStates.save({
          position: 7,
          lifts: [rowOf('lift-a', 6, { raised: [1] }), rowOf('lift-b', 7, null)],
        })
        await register.liveStates.save({ position: 2 ** 40, lifts: [rowOf('lift-a', 2 ** 40, ['x'])] })
        expect(await register.liveStates.load()).toEqual({
          position: 2 ** 40,
          lifts: [rowOf('lift-a', 2 ** 40, ['x']), rowOf('lift-b', 7, null)],
        })
        // A journal begun anew counts from the start: the smaller position counts.
        await register.liveStates.save({ position: 0, lifts: [] })
        expect(await register.liveStates.load()).toMatchObject({ position: 0 })
      })
      it('keeps the newest of what was quarantined, each message once, and says how many it dropped', async () => {
        const strange = quarantined(1, { payload: 'a\0b\ud800c', terminal: 'TJ-0001' as TerminalSerial })
        expect(await register.quarantine.put([strange, strange])).toBe(0)
        expect(await register.quarantine.put([strange, quarantined(2)])).toBe(0)
        expect(await register.quarantine.count()).toBe(2)
        const { rows } = await register.quarantine.list({ limit: 10 })
        expect(rows).toEqual([quarantined(2), { ...strange, payload: 'a\ufffdb\ufffdc' }])
        const more = Array.from({ length: QUARANTINE_ROWS_MAX + 3 }, (_, index) => quarantined(index + 3))
        expect(await register.quarantine.put(more)).toBe(5)
        expect(await register.quarantine.count()).toBe(QUARANTINE_ROWS_MAX)
        const first = await register.quarantine.list({ limit: 2 })
        expect(first.rows.map(({ position }) => position)).toEqual([QUARANTINE_ROWS_MAX + 5, QUARANTINE_ROWS_MAX + 4])
        const second = await register.quarantine.list({ limit: 1, after: first.next ?? '' })
        expect(second.rows).toMatchObject([{ position: QUARANTINE_ROWS_MAX + 3 }])
      })
      it('adds lines to the audit and gives the newest first', async () => {
        const line = (atMs: number) => ({ atMs, by: '王', act: 'session.opened', subject: 'wang', detail: `\0${atMs}` })
        for (const atMs of [3, 1, 2]) await register.audit.add(line(atMs))
        const pages = await pagesOf((after) =>
          register.audit.list({ limit: 2, ...(after === undefined ? {} : { after }) }),
        )
        expect(pages).toEqual([
          [2, 1].map((atMs) => ({ ...line(atMs), detail: `\ufffd${atMs}` })),
          [{ ...line(3), detail: '\ufffd3' }],
        ])
      })
      it('says that it can be used', async () => {
        await expect(register.check()).resolves.toBeUndefined()
      })
    })
  })
}

type Step = {
  event: 'raise' | 'confirm' | 'escalate' | 'return' | 'acknowledge'
  onset: number
  priority: 1 | 2 | 3 | 4
}
/** Few conditions, so that repeats, replays and stale changes are frequent. */
const steps: fc.Arbitrary<Step> = fc.record({
  event: fc.constantFrom('raise', 'confirm', 'escalate', 'return', 'acknowledge'),
  onset: fc.constantFrom(1_000, 2_000, 3_000),
  priority: fc.constantFrom(1, 2, 3, 4),
})

/** The life of the alarms of one lift and kind, told as simply as possible: which steps change something. */
class AlarmModel {
  open: { state: AlarmState; confirmed: boolean; priority: number; onset: number; standing: Set<number> } | undefined
  readonly #raised = new Set<number>()

  step({ event, onset, priority }: Step): boolean {
    if (event === 'raise') return this.#raise(onset, priority)
    const { open } = this
    if (open === undefined) return false
    if (event !== 'acknowledge') {
      const isOurs = this.#raised.has(onset) ? open.standing.has(onset) : onset >= open.onset
      if (!isOurs) return false
    }
    const next = nextAlarmState(open.state, event)
    if (!next.ok) return false
    if (event === 'confirm') {
      if (open.confirmed) return false
      open.confirmed = true
    }
    if (event === 'escalate') {
      if (priority >= open.priority) return false
      open.priority = priority
    }
    if (event === 'return') open.standing.clear()
    open.state = next.value
    if (next.value === 'closed') this.open = undefined
    return true
  }

  #raise(onset: number, priority: number): boolean {
    if (this.#raised.has(onset)) return false
    this.#raised.add(onset)
    const { open } = this
    if (open === undefined) {
      this.open = { state: 'unacknowledged', confirmed: false, priority, onset, standing: new Set([onset]) }
    } else if (open.standing.size === 0) {
      this.open = { state: 'unacknowledged', confirmed: false, priority, onset, standing: new Set([onset]) }
    } else {
      open.standing.add(onset)
      open.onset = Math.min(open.onset, onset)
      open.priority = Math.min(open.priority, priority)
    }
    return true
  }
}

async function acknowledgeOpen(register: Register, lift: LiftId): Promise<unknown> {
  const { rows } = await register.alarms.list({ scope: ALL, lift, limit: 100 })
  const open = rows.find(({ state }) => state !== 'closed')
  if (open === undefined) return undefined
  const answer = await register.alarms.acknowledge({ id: open.id, scope: ALL, by: '王', note: null, atMs: 1 })
  return answer.ok ? answer.value : undefined
}

/** What holds for every alarm, whatever happened: its lines tell its state. */
function expectSound(alarm: Alarm, lines: readonly Occurrence[]): void {
  expect(lines.map(({ number }) => number)).toEqual(lines.map((_, index) => index + 1))
  expect(lines.filter(({ event }) => event === 'raise')).toHaveLength(alarm.raiseCount)
  let state: AlarmState = 'unacknowledged'
  for (const { event } of lines.slice(1)) {
    const next = nextAlarmState(state, event)
    expect(next.ok).toBe(true)
    if (next.ok) state = next.value
  }
  expect(state).toBe(alarm.state)
  expect(alarm.closedAtMs !== null).toBe(alarm.state === 'closed')
}
