import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'aedes'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONNACK_CODES } from '#broker/admission'
import type { Fate } from '#broker/commits'
import { Connection } from '#broker/connection'
import type { HookContext } from '#broker/hook-context'
import { deviceHooks } from '#broker/hooks'
import { BROKER_LIMITS } from '#broker/limits'
import { accept, ADMISSION_REFUSALS, refuse, type AdmissionRefusal } from '#contract/errors'
import type { TerminalSerial } from '#contract/ids'
import {
  brokerUnderTest,
  CONNECTION_TOPIC,
  SERIAL,
  STATUS_TOPIC,
  terminalRow,
  TerminalTable,
} from './broker-under-test.ts'
import { duplexPair } from './duplex-pair.ts'
import { connectPacket } from './raw-terminal.ts'

const escaped: unknown[] = []
const onEscaped = (fault: unknown) => void escaped.push(fault)
beforeAll(() => void process.on('unhandledRejection', onEscaped).on('uncaughtException', onEscaped))
afterAll(() => void process.off('unhandledRejection', onEscaped).off('uncaughtException', onEscaped))

/** What a dependency does when it is called. */
const MOODS = ['right', 'refuse', 'throw', 'throw nothing', 'reject', 'never', 'nonsense', 'twice'] as const
type Mood = (typeof MOODS)[number]
type Moods = Record<
  | 'prove'
  | 'newest'
  | 'remembers'
  | 'locked'
  | 'wrong'
  | 'rate'
  | 'admit'
  | 'fault'
  | 'commit'
  | 'status'
  | 'count'
  | 'onFault',
  Mood
>
const moods: fc.Arbitrary<Moods> = fc.record(
  Object.fromEntries(
    [
      'prove',
      'newest',
      'remembers',
      'locked',
      'wrong',
      'rate',
      'admit',
      'fault',
      'commit',
      'status',
      'count',
      'onFault',
    ].map((name) => [name, fc.oneof({ weight: 9, arbitrary: fc.constant('right') }, fc.constantFrom(...MOODS))]),
  ) as Record<keyof Moods, fc.Arbitrary<Mood>>,
)

/** Behaves as the mood says; what comes back is what a broken dependency might give, so its type is a lie on purpose. */
function act<Value>(mood: Mood, right: Value, refused: Value): Value {
  const broken = (value: unknown) => value as Value
  if (mood === 'refuse') return refused
  if (mood === 'throw') throw new Error('thrown')
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- a library may throw anything
  if (mood === 'throw nothing') throw undefined
  if (mood === 'reject') return broken(Promise.reject(new Error('rejected')))
  if (mood === 'never') return broken(new Promise(() => {}))
  if (mood === 'nonsense') return broken({ ok: 'perhaps', value: null })
  return right
}
/** The same for what answers by a promise: a rejection that nobody waits for would be the fault of the test. */
const actLater = async <Value>(mood: Mood, right: Value, refused: Value): Promise<Value> => act(mood, right, refused)
/** For what answers at once, a broken promise is an answer like any other. */
const actNow = <Value>(mood: Mood, right: Value, refused: Value): Value =>
  act(mood === 'reject' ? 'throw' : mood, right, refused)

type Proven = ReturnType<HookContext['credentials']['newest']>
const row = await terminalRow()

function contextOf(m: Moods, connection: Connection | undefined, isStopping: boolean): HookContext {
  return {
    connectionOf: () => connection,
    credentials: {
      prove: () => actLater<Proven>(m.prove, accept(row), refuse('admission.badCredentials', 'wrong')),
      newest: () => actNow<Proven>(m.newest, accept(row), refuse('admission.badCredentials', 'changed')),
      remembers: () => actNow(m.remembers, false, true),
      knows: () => true,
    },
    lockouts: {
      mayTry: () => actNow(m.locked, true, false),
      noteWrong: () => actNow(m.wrong, undefined, undefined),
    },
    connectRates: { take: () => actNow(m.rate, true, false) },
    takeovers: { admit: () => actNow(m.admit, undefined, undefined) },
    certificateFault: () => actNow<string | undefined>(m.fault, undefined, 'revoked'),
    commits: {
      commit: (_connection, _publication, done) => {
        if (m.commit === 'never' || m.commit === 'reject' || m.commit === 'nonsense') return
        const fate = actNow<Fate>(m.commit, 'durable', new Error('disk full'))
        if (m.commit === 'twice') done?.('withheld')
        done?.(fate)
      },
    },
    journal: {
      status: () =>
        actNow(m.status, { takes: 'all', degraded: undefined }, { takes: 'nothing', degraded: 'full' }) as ReturnType<
          HookContext['journal']['status']
        >,
    },
    refusals: { count: () => actNow(m.count, undefined, undefined) },
    limits: BROKER_LIMITS,
    isStopping: () => isStopping,
    nowMs: () => Date.now(),
    elapsedMs: () => performance.now(),
    onFault: () => actNow(m.onFault, undefined, undefined),
    answerMs: 60_000,
  }
}

const text = fc.oneof(
  fc.constantFrom<unknown>(
    SERIAL,
    STATUS_TOPIC,
    CONNECTION_TOPIC,
    '',
    'MQTT',
    '$SYS/x',
    '#',
    'a\u0000',
    '\ud800',
    undefined,
    null,
    7,
  ),
  fc.string({ unit: 'binary', maxLength: 300 }),
)
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string(),
  fc.constant(undefined),
  fc.anything({ maxDepth: 1 }),
)
const packet = fc.oneof(
  fc.record(
    {
      protocolId: fc.oneof(fc.constant('MQTT'), text),
      protocolVersion: fc.constantFrom<unknown>(4, 4, 4, 3, 5, undefined, 'four'),
      clientId: text,
      username: fc.oneof(fc.constant<unknown>(SERIAL), text),
      password: bytes,
      will: fc.oneof(
        fc.constant(undefined),
        fc.record({ topic: text, payload: bytes, qos: fc.anything({ maxDepth: 0 }) }),
      ),
      clean: fc.boolean(),
      keepalive: fc.oneof(fc.integer(), fc.anything({ maxDepth: 0 })),
      topic: text,
      qos: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.anything({ maxDepth: 0 })),
      payload: bytes,
      cmd: fc.constantFrom('publish', undefined),
      retain: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
  fc.anything({ maxDepth: 1 }),
)

const goodConnect = fc.constant({}).map(() => ({
  protocolId: 'MQTT',
  protocolVersion: 4,
  clientId: 'x',
  username: SERIAL,
  password: Buffer.from('a secret'),
}))
const call = fc.tuple(fc.constantFrom('preConnect', 'authenticate', 'publish', 'subscribe'), packet)
/** Anything in any order; or a CONNECT that may succeed, and then anything. */
const calls: fc.Arbitrary<(readonly [string, unknown])[]> = fc.oneof(
  fc.array(call, { minLength: 1, maxLength: 4 }),
  fc
    .tuple(goodConnect, fc.array(call, { maxLength: 2 }))
    .map(([connect, more]) => [
      ['preConnect', connect] as const,
      ['authenticate', connect] as const,
      ['publish', { cmd: 'publish', topic: STATUS_TOPIC, qos: 1, payload: Buffer.from('{}') }] as const,
      ...more,
    ]),
)

const newConnection = (): Connection => {
  const [conn] = duplexPair()
  conn.on('error', () => {})
  const place = { ask: () => {}, admit: () => {}, leave: () => {} }
  return new Connection({ conn, address: '192.0.2.1', place, limits: BROKER_LIMITS })
}

describe('the hooks', () => {
  it(
    'never throw, never reject and reply at most once, whatever packets and dependencies do',
    { timeout: 120_000 },
    async () => {
      const codes = new Set(Object.values(CONNACK_CODES))
      const seen = { replyCount: 0, admittedCount: 0, publishedCount: 0 }
      await fc.assert(
        fc.asyncProperty(
          moods,
          calls,
          fc.constantFrom('known', 'known', 'known', 'unknown', 'gone'),
          fc.constantFrom(
            undefined,
            accept({ serial: SERIAL, number: '1', issuer: 'x', fromMs: 0, toMs: 1 }),
            refuse('E', 'bad'),
          ),
          fc.boolean(),
          async (m, asked, who, certificate, isStopping) => {
            const connection = Object.assign(newConnection(), { certificate })
            const hooks = deviceHooks(
              contextOf(m, who === 'unknown' ? undefined : connection, isStopping && m.count === 'throw'),
            )
            if (who === 'gone') connection.conn.destroy()
            // Aedes hands over whatever its parser gave; the types are wider than the truth on purpose.
            const client = { conn: connection.conn } as unknown as Client
            for (const [name, given] of asked) {
              let replyCount = 0
              const reply = (error?: unknown): void => {
                replyCount += 1
                seen.replyCount += 1
                if (name === 'authenticate' && error === null) seen.admittedCount += 1
                if (name === 'publish' && error === null) seen.publishedCount += 1
                if (name === 'authenticate' && error instanceof Error)
                  expect(codes).toContain(Reflect.get(error, 'returnCode'))
              }
              const hook = {
                preConnect: () => hooks.preConnect(client, given as never, reply),
                authenticate: () => hooks.authenticate(client, SERIAL, Buffer.from('x'), reply),
                publish: () => hooks.authorizePublish(client, given as never, reply),
                subscribe: () => hooks.authorizeSubscribe(client, given as never, reply),
              }[name]
              expect(hook?.()).toBeUndefined()
              for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve))
              expect(replyCount).toBeLessThanOrEqual(1)
            }
            connection.clearAnswerTimer()
            connection.conn.destroy()
          },
        ),
        { seed: 20, numRuns: 5_000 },
      )
      await sleep(20)
      expect(escaped).toEqual([])
      // The paths that matter were walked.
      expect(seen.replyCount).toBeGreaterThan(3_000)
      expect(seen.admittedCount).toBeGreaterThan(100)
      expect(seen.publishedCount).toBeGreaterThan(50)
    },
  )
})

describe('an authenticator that never answers', () => {
  it('costs the connection after its time, and nobody else anything', async () => {
    const terminals = new TerminalTable().put(await terminalRow({ serial: 'TJ-0002' as TerminalSerial }))
    await using under = await brokerUnderTest({ terminals, timeouts: { answerMs: 300, lookupMs: 60_000 } })
    terminals.obstacle = () => new Promise(() => {})
    const stuck = await under.raw()
    stuck.send(connectPacket({ username: SERIAL, password: 'x' }))
    await under.admitted({ username: 'TJ-0002' })
    expect(await stuck.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.timeout': 1 })
  })
})

describe('the codes of refusals', () => {
  it('that answer a CONNECT are codes of the contract', () => {
    for (const code of Object.keys(CONNACK_CODES))
      expect(Object.hasOwn(ADMISSION_REFUSALS, code as AdmissionRefusal), code).toBe(true)
  })
})
