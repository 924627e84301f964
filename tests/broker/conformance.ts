/** What the conformance tests share: one broker per file, and how a device that breaks a rule is met. */
import { afterAll, beforeAll, expect } from 'vitest'
import type { AdmissionRefusal } from '#contract/errors'
import { brokerUnderTest, SECRET, SERIAL, type UnderTest } from './broker-under-test.ts'
import { connack, packet, PINGREQ, text, uint16, type ConnectBytes } from './raw-terminal.ts'

export const good = { username: SERIAL, password: SECRET }
export const PINGRESP = Buffer.from([0xd0, 0])

/** A broker that all tests of the file talk to, and what they ask of it. */
export function conformanceBroker(limits: NonNullable<Parameters<typeof brokerUnderTest>[0]>['limits'] = {}) {
  let under: UnderTest | undefined
  beforeAll(async () => {
    // Tests sign in more often than terminals do.
    under = await brokerUnderTest({ limits: { connectsPerMinuteMax: 100_000, ...limits } })
  })
  afterAll(() => under?.[Symbol.asyncDispose]())
  const broker = (): UnderTest => {
    if (under === undefined) throw new Error('the broker has not started')
    return under
  }

  /** Sends the bytes on a connection of its own; it must be answered so, then closed, with one refusal counted. */
  async function meets(
    o: { admitted: boolean; answers?: readonly Buffer[]; code: AdmissionRefusal },
    ...bytes: readonly Buffer[]
  ): Promise<void> {
    const before = await broker().refusals()
    const terminal = o.admitted ? await broker().admitted() : await broker().raw()
    terminal.send(...bytes)
    for (const answer of o.answers ?? []) expect(await terminal.next()).toEqual(answer)
    expect(await terminal.next()).toBeUndefined()
    expect(await broker().refusals()).toEqual({ ...before, [o.code]: (before[o.code] ?? 0) + 1 })
  }

  return {
    broker,
    /** A stranger's bytes close the connection without an answer. */
    closes: (code: AdmissionRefusal, ...bytes: Buffer[]) => meets({ admitted: false, code }, ...bytes),
    /** A stranger's CONNECT is answered with this code and closed. */
    refuses: (returnCode: number, code: AdmissionRefusal, ...bytes: Buffer[]) =>
      meets({ admitted: false, answers: [connack(returnCode)], code }, ...bytes),
    /** An admitted terminal's bytes close its connection without an answer. */
    cuts: (code: AdmissionRefusal, ...bytes: Buffer[]) => meets({ admitted: true, code }, ...bytes),
    /** A stranger's CONNECT is accepted, and the connection lives. */
    accepts: async (...bytes: Buffer[]) => {
      const terminal = await broker().raw()
      terminal.send(...bytes)
      expect(await terminal.next()).toEqual(connack(0))
      terminal.send(PINGREQ)
      expect(await terminal.next()).toEqual(PINGRESP)
      return terminal
    },
    /** Payloads in the journal, as text, oldest first. */
    payloads: async () => (await broker().records()).map(({ payload }) => Buffer.from(payload).toString()),
  }
}

/** A CONNECT with flags and fields as given, whether they fit together or not. */
export const connectBytes = (o: {
  name?: string
  level?: number
  flags: number
  keepalive?: number
  fields: readonly Buffer[]
}): Buffer =>
  packet(0x10, text(o.name ?? 'MQTT'), Buffer.from([o.level ?? 4, o.flags]), uint16(o.keepalive ?? 60), ...o.fields)

/** User name and password of the terminal as the last fields of a CONNECT. */
export const signIn: readonly Buffer[] = [text(SERIAL), text(SECRET)]
/** Flags of a CONNECT with user name, password and clean session. */
export const SIGN_IN = 0xc2

/** Strings that are no MQTT strings, or none that anybody should keep. */
export const ILL_FORMED: readonly (readonly [string, Buffer])[] = [
  ['a lone continuation byte', Buffer.from([0x61, 0x80])],
  ['a cut sequence', Buffer.from([0x61, 0xe6, 0xa2])],
  ['an overlong slash', Buffer.from([0xc0, 0xaf])],
  ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
  ['a byte that never occurs', Buffer.from([0x61, 0xff])],
  ['beyond U+10FFFF', Buffer.from([0xf4, 0x90, 0x80, 0x80])],
]
export const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['a control character', 'a\u0007'],
  ['a C1 control character', 'a\u0085'],
  ['a non-character', 'a\ufdd0'],
  ['a non-character of a higher plane', 'a\u{1fffe}'],
]
export type { ConnectBytes }
