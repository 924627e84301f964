import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasForbiddenCharacter, judgeConnect, judgePublication, judgeTerminal } from '#broker/admission'
import type { LiftId, TerminalSerial } from '#contract/ids'
import { deviceTopic, MESSAGE_KINDS, PAYLOAD_BYTES_TAKEN_MAX } from '#contract/topics'

const lift = 'lift-0001' as LiftId
const serial = 'TJ-0001' as TerminalSerial
const row = { serial, lift, boundAtMs: 0, revokedAtMs: null }
const connect = {
  protocolId: 'MQTT',
  protocolVersion: 4,
  clientId: 'a',
  username: serial,
  password: Buffer.from('secret'),
}
const codeOf = (result: { ok: boolean; code?: string }) => (result.ok ? 'ok' : result.code)

function admitted() {
  const judged = judgeTerminal(row, undefined)
  if (!judged.ok) throw new Error(judged.code)
  return judged.value
}

describe('admission of a connection', () => {
  it('takes a serial and a secret over MQTT 3.1.1', () => {
    const judged = judgeConnect(connect)
    expect(judged).toMatchObject({ ok: true, value: { serial, secret: 'secret', clientId: 'a' } })
  })

  it.each([
    ['MQTT 5', { protocolVersion: 5 }, 'admission.version'],
    ['MQTT 3.1', { protocolId: 'MQIsdp', protocolVersion: 3 }, 'admission.version'],
    ['the old name with the new level', { protocolId: 'MQIsdp' }, 'admission.version'],
    ['a bridge', { bridgeMode: true }, 'admission.version'],
    ['an empty client id', { clientId: '' }, 'admission.badClientId'],
    ['a client id of 129 characters', { clientId: 'x'.repeat(129) }, 'admission.badClientId'],
    ['U+0000 in the client id', { clientId: 'a\u0000' }, 'admission.badString'],
    ['a new line in the user name', { username: 'TJ-1\n' }, 'admission.badString'],
    ['a non-character in the will topic', { will: { topic: 'a\ufdd0', payload: '', qos: 0 } }, 'admission.badString'],
    ['a user name that is no serial', { username: '../etc' }, 'admission.badCredentials'],
    ['no user name', { username: undefined }, 'admission.badCredentials'],
    ['no secret', { password: undefined }, 'admission.badCredentials'],
    ['a secret of 257 bytes', { password: Buffer.alloc(257, 'a') }, 'admission.badCredentials'],
    ['a will with QoS 2', { will: { topic: deviceTopic(lift, 'connection'), payload: '', qos: 2 } }, 'admission.qos'],
  ])('refuses %s', (_what, change, code) => {
    const { username, password, ...rest } = { ...connect, ...change }
    const request = {
      ...rest,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    }
    expect(codeOf(judgeConnect(request))).toBe(code)
  })

  it('refuses a terminal that is revoked, bound to no lift, or has its will elsewhere than on its connection topic', () => {
    expect(codeOf(judgeTerminal({ ...row, revokedAtMs: 1 }, undefined))).toBe('admission.revoked')
    expect(codeOf(judgeTerminal({ ...row, lift: null }, undefined))).toBe('admission.revoked')
    for (const topic of [deviceTopic(lift, 'status'), 'lifts/v1/lift-0002/connection', 'x'])
      expect(codeOf(judgeTerminal(row, { topic, payload: '' }))).toBe('admission.foreignWill')
    expect(codeOf(judgeTerminal(row, { topic: deviceTopic(lift, 'connection'), payload: '' }))).toBe('ok')
  })
})

describe('admission of a publication', () => {
  it('takes the topics of the own lift and no other, whatever they look like', () => {
    const own = new Set(MESSAGE_KINDS.map((kind) => deviceTopic(lift, kind)))
    const level = fc.oneof(
      fc.constantFrom('lifts', 'v1', lift, 'lift-0002', ...MESSAGE_KINDS, '', '+', '#', '$SYS'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(level, { maxLength: 6 }), (levels) => {
        const topic = levels.join('/')
        expect(judgePublication(admitted(), { topic, qos: 1, payload: 'x' }).ok).toBe(own.has(topic))
      }),
      { seed: 7, numRuns: 500 },
    )
    for (const topic of own) expect(codeOf(judgePublication(admitted(), { topic, qos: 0, payload: '' }))).toBe('ok')
  })

  it('takes a payload of 16 KiB and refuses one byte more, and QoS 2', () => {
    const topic = deviceTopic(lift, 'status')
    expect(
      codeOf(judgePublication(admitted(), { topic, qos: 1, payload: Buffer.alloc(PAYLOAD_BYTES_TAKEN_MAX) })),
    ).toBe('ok')
    expect(
      codeOf(judgePublication(admitted(), { topic, qos: 1, payload: Buffer.alloc(PAYLOAD_BYTES_TAKEN_MAX + 1) })),
    ).toBe('admission.tooLarge')
    expect(codeOf(judgePublication(admitted(), { topic, qos: 2, payload: '' }))).toBe('admission.qos')
  })
})

describe('forbidden characters', () => {
  it('are U+0000, controls, surrogates, non-characters and the replacement of what was not UTF-8', () => {
    const codes = [
      0, 1, 0x0a, 0x1f, 0x7f, 0x80, 0x9f, 0xd800, 0xdfff, 0xfdd0, 0xfdef, 0xfffd, 0xfffe, 0xffff, 0x1fffe, 0x10ffff,
    ]
    for (const code of codes)
      expect(hasForbiddenCharacter(`a${String.fromCodePoint(code)}b`), code.toString(16)).toBe(true)
    for (const text of ['', 'TJ-0001', '樱花苑7号楼', 'é', '😀', ' '])
      expect(hasForbiddenCharacter(text), text).toBe(false)
  })
})
