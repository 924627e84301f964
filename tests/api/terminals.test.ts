import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TerminalSerial } from '#contract/ids'
import { CLAIM_CODE_PATTERN } from '#contract/register'
import { CLAIM_AGAIN_MS_MAX } from '#storage/register/register'
import { verifySecret } from '#storage/register/secrets'
import { TRIES_MAX, LOCKED_OUT_MS } from '#api/sign-in-tries'
import { liftId, liftOf, openWorld, PEOPLE, type Answer, type Json, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld({ deviceDoors: { port: 1883, tlsPort: 8883 } })
})
afterAll(() => world[Symbol.asyncDispose]())

let count = 0
/** A lift or a serial that no other test uses. */
const newSerial = () => `TJ-${1_000 + (count += 1)}`
async function newLift(): Promise<string> {
  const id = `lift-own-${(count += 1)}`
  await world.register.lifts.put([liftOf(id, 'contractor-a')])
  return id
}
const post = (path: string, body?: unknown) => world.ask(`/api/v1${path}`, { method: 'POST', as: 'admin', body })
const get = (path: string) => world.ask(`/api/v1${path}`, { as: 'admin' })
const register = async (lift: string | null, credential = 'secret') => {
  const serial = newSerial()
  const answer = await post('/terminals', { serial, lift, credential })
  expect(answer.status).toBe(201)
  return { serial, answer: answer.json }
}
const rowOf = (serial: string) => world.register.terminals.bySerial(serial as TerminalSerial)
const isSecretOf = async (serial: string, secret: Json | undefined) =>
  verifySecret((await rowOf(serial))?.secretHash ?? '', String(secret))
/** What the audit says of a subject, newest first. */
const auditOf = async (subject: string) =>
  (await world.register.audit.list({ limit: 500 })).rows
    .filter((row) => row.subject === subject)
    .map(({ act, by, detail }) => `${act} · ${by} · ${detail}`)
const BY = PEOPLE.admin.name

describe('a terminal', () => {
  it('is registered with a secret that is told once and kept as a hash, and with where to speak', async () => {
    const lift = await newLift()
    const { serial, answer } = await register(lift)
    expect(answer).toMatchObject({
      ...{
        serial,
        lift,
        revokedAt: null,
        credential: 'secret',
        secret: expect.stringMatching(/^[\w-]{32}$/) as string,
      },
      mqtt: {
        ...{ username: serial, port: 1883, tlsPort: 8883, webSocketPath: '/mqtt' },
        topics: { status: `lifts/v1/${lift}/status`, connection: `lifts/v1/${lift}/connection` },
      },
    })
    expect(await isSecretOf(serial, answer['secret'])).toBe(true)
    const { json } = await get(`/terminals/${serial}`)
    expect(json).toEqual({ serial, lift, boundAt: answer['boundAt'], revokedAt: null, credential: 'secret' })
    expect(await auditOf(serial)).toEqual([`terminals.bind · ${BY} · ${lift}`, `terminals.register · ${BY} · secret`])
  })

  it('with a certificate has no secret', async () => {
    const { serial, answer } = await register(null, 'certificate')
    expect(answer).toMatchObject({ secret: null, credential: 'certificate', lift: null, mqtt: { topics: null } })
    expect((await rowOf(serial))?.secretHash).toBeNull()
  })

  it('is registered once, and only for a lift that is there', async () => {
    const { serial } = await register(null)
    expect((await post('/terminals', { serial, lift: null, credential: 'secret' })).json).toMatchObject({
      ...{ status: 409, code: 'terminal.exists' },
    })
    const other = newSerial()
    const refused = await post('/terminals', { serial: other, lift: 'lift-of-nobody', credential: 'secret' })
    expect(refused.json).toMatchObject({ status: 404, code: 'notFound' })
    expect(await rowOf(other)).toBeUndefined()
    expect(await auditOf(other)).toEqual([])
  })

  it('takes the lift of another one, which loses it in the same moment; the alarms of the lift stay', async () => {
    const lift = await newLift()
    const raised = await world.raise(lift)
    const old = await register(lift)
    const { serial } = await register(null)
    expect((await post(`/terminals/${serial}/bind`, { lift })).json).toMatchObject({ serial, lift })
    expect(await rowOf(old.serial)).toMatchObject({ lift: null })
    expect((await auditOf(old.serial))[0]).toBe(`terminals.unbind · ${BY} · ${lift}, replaced by ${serial}`)
    expect(await world.register.alarms.byId(raised.alarm.id, { all: true })).toMatchObject({ lift, closedAtMs: null })
    expect((await get(`/terminals?lift=${lift}`)).json['items']).toMatchObject([{ serial }])
    expect((await post(`/terminals/${serial}/bind`, { lift: null })).json).toMatchObject({ lift: null })
    expect((await auditOf(serial))[0]).toBe(`terminals.unbind · ${BY} · ${lift}`)
  })

  it('of one lift is one, whoever binds at the same moment', async () => {
    const lift = await newLift()
    const serials = await Promise.all(Array.from({ length: 8 }, async () => (await register(null)).serial))
    await Promise.all(serials.map((serial) => post(`/terminals/${serial}/bind`, { lift })))
    expect((await get(`/terminals?lift=${lift}`)).json['items']).toHaveLength(1)
  })

  it('is revoked and restored, each told once in the audit; while revoked it cannot be bound', async () => {
    const { serial } = await register(null)
    const revoked = await post(`/terminals/${serial}/revoke`)
    expect(Date.parse(String(revoked.json['revokedAt']))).toBeGreaterThan(0)
    expect((await post(`/terminals/${serial}/revoke`)).json).toEqual(revoked.json)
    expect((await post(`/terminals/${serial}/bind`, { lift: await newLift() })).json).toMatchObject({
      code: 'terminal.revoked',
    })
    expect((await post(`/terminals/${serial}/restore`)).json).toMatchObject({ revokedAt: null })
    expect((await post(`/terminals/${serial}/restore`)).status).toBe(200)
    expect((await auditOf(serial)).map((line) => line.split(' ')[0])).toEqual([
      ...['terminals.restore', 'terminals.revoke', 'terminals.register'],
    ])
  })

  it('is given a new secret, and the old one is over', async () => {
    const { serial, answer } = await register(null)
    const { json } = await post(`/terminals/${serial}/secret`)
    expect(json['secret']).not.toBe(answer['secret'])
    expect(await isSecretOf(serial, json['secret'])).toBe(true)
    expect(await isSecretOf(serial, answer['secret'])).toBe(false)
    expect((await auditOf(serial))[0]).toBe(`terminals.secret · ${BY} · `)
  })

  it.each(['bind', 'revoke', 'restore', 'secret'])('that is not there gets no %s', async (act) => {
    const answer = await post(`/terminals/TJ-of-nobody/${act}`, act === 'bind' ? { lift: null } : undefined)
    expect(answer.json).toMatchObject({ status: 404, code: 'notFound' })
  })

  it('is listed page by page, and by whether it is revoked', async () => {
    const { serial } = await register(null)
    await post(`/terminals/${serial}/revoke`)
    const all: string[] = []
    let after = ''
    do {
      const { json } = await get(`/terminals?limit=3${after === '' ? '' : `&after=${after}`}`)
      all.push(...Array.from(json['items'] ?? [], (row) => String(row['serial'])))
      after = json['next'] === null ? '' : String(json['next'])
    } while (after !== '')
    expect(all).toEqual((await world.register.terminals.all()).map((row) => row.serial))
    const revoked = (await get('/terminals?revoked=true&limit=500')).json['items']
    expect(Array.from(revoked ?? [], (row) => row['serial'])).toContain(serial)
    expect((await get('/terminals?revoked=perhaps')).json).toMatchObject({ code: 'request.invalid' })
    expect((await get('/terminals?after=bm9uc2Vuc2U')).json).toMatchObject({ items: [], next: null })
  })

  it('has a secret that stands in no answer but the one that made it, and in no line of audit', async () => {
    const { serial, answer } = await register(await newLift())
    const secret = String(answer['secret'])
    const texts = [(await get('/terminals?limit=500')).text, (await get('/audit?limit=500')).text]
    texts.push((await get(`/terminals/${serial}`)).text)
    for (const text of texts) {
      expect(text).toContain(serial)
      expect(text).not.toContain(secret)
      expect(text).not.toContain('argon2')
    }
  })
})

const issue = async (lift: string, validForHours = 24) => {
  const { status, json } = await post('/claim-codes', { lift, validForHours })
  expect(status).toBe(201)
  return { code: String(json['code']), json }
}
const claim = (code: string, serial: string, on: World = world): Promise<Answer> =>
  on.ask('/api/v1/terminals/claim', { method: 'POST', body: { code, serial } })
const wrongCode = { status: 403, code: 'claim.refused', detail: 'The code is wrong, used or expired' }

describe('a claim code', () => {
  it('can be read aloud, is kept as a hash, and gives a new terminal its lift and its secret', async () => {
    const lift = await newLift()
    const { code, json } = await issue(lift, 168)
    expect(code).toMatch(/^[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}$/)
    expect(code).toMatch(new RegExp(CLAIM_CODE_PATTERN))
    expect(Date.parse(String(json['expiresAt']))).toBeGreaterThan(world.clock.nowMs() + 167 * 3_600_000)
    const serial = newSerial()
    const { status, json: answer } = await claim(` ${code.toLowerCase().replace('-', ' ')}`, serial)
    expect(status).toBe(200)
    expect(answer).toMatchObject({ serial, lift, mqtt: { port: 1883, topics: { status: `lifts/v1/${lift}/status` } } })
    expect(await isSecretOf(serial, answer['secret'])).toBe(true)
    const by = `${BY} (claim code)`
    expect(await auditOf(serial)).toEqual([`terminals.bind · ${by} · ${lift}`, `terminals.claim · ${by} · ${lift}`])
    expect((await get('/audit?limit=500')).text).not.toContain(code)
  })

  it('is refused in the same words when it is wrong, used, expired or was replaced', async () => {
    const lift = await newLift()
    const used = await issue(lift)
    expect((await claim(used.code, newSerial())).status).toBe(200)
    const replaced = await issue(lift)
    const expired = await issue(lift, 1)
    world.clock.shiftMs = 3_600_000
    try {
      for (const code of ['ABCD-2345', used.code, replaced.code, expired.code]) {
        const { json } = await claim(code, newSerial())
        expect(json).toMatchObject(wrongCode)
      }
    } finally {
      world.clock.shiftMs = 0
    }
    // Only the administrator may read which of them it was.
    const { rows } = await world.register.audit.list({ limit: 3 })
    expect(rows.map(({ act, detail }) => `${act} ${detail}`)).toEqual(
      expect.arrayContaining([`terminals.claimRefused ${lift}: expired`]) as string[],
    )
    await world.ask('/api/v1/terminals/claim', {
      method: 'POST',
      body: { code: (await issue(lift)).code, serial: newSerial() },
    })
  })

  it('is won by one when two use it at the same moment', async () => {
    const lift = await newLift()
    for (let round = 0; round < 3; round += 1) {
      const { code } = await issue(lift)
      const serials = [newSerial(), newSerial()]
      const answers = await Promise.all(serials.map((serial) => claim(code, serial)))
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 403])
      const winner = serials[answers.findIndex(({ status }) => status === 200)] ?? ''
      expect((await get(`/terminals?lift=${lift}`)).json['items']).toMatchObject([{ serial: winner }])
    }
  })

  it('gives the same terminal another secret for ten minutes, for the answer may have been lost', async () => {
    const lift = await newLift()
    const { code } = await issue(lift)
    const serial = newSerial()
    const first = await claim(code, serial)
    await using restarted = await openWorld({}, world)
    const second = await claim(code, serial, restarted)
    expect(second.json).toMatchObject({ serial, lift })
    expect(await isSecretOf(serial, first.json['secret'])).toBe(false)
    expect(await isSecretOf(serial, second.json['secret'])).toBe(true)
    expect((await claim(code, newSerial())).json).toMatchObject(wrongCode)
    world.clock.shiftMs = CLAIM_AGAIN_MS_MAX + 60_000
    try {
      expect((await claim(code, serial)).json).toMatchObject(wrongCode)
    } finally {
      world.clock.shiftMs = 0
    }
    expect(await isSecretOf(serial, second.json['secret'])).toBe(true)
  })

  it('used again never undoes what a person decided since', async () => {
    const lift = await newLift()
    const { code } = await issue(lift)
    const serial = newSerial()
    await claim(code, serial)
    await post(`/terminals/${serial}/revoke`)
    expect((await claim(code, serial)).json).toMatchObject(wrongCode)
    await post(`/terminals/${serial}/restore`)
    await post(`/terminals/${serial}/bind`, { lift: null })
    expect((await claim(code, serial)).json).toMatchObject(wrongCode)
    expect(await rowOf(serial)).toMatchObject({ lift: null })
    expect((await auditOf(serial))[0]).toContain('the terminal was bound elsewhere since')
  })

  it('swaps the terminal of a lift, and takes none away from another lift', async () => {
    const [lift, otherLift] = [await newLift(), await newLift()]
    const old = await register(lift)
    const busy = await register(otherLift)
    const { code } = await issue(lift)
    expect((await claim(code, busy.serial)).json).toMatchObject(wrongCode)
    expect(await rowOf(busy.serial)).toMatchObject({ lift: otherLift })
    const serial = newSerial()
    expect((await claim(code, serial)).status).toBe(200)
    expect(await rowOf(old.serial)).toMatchObject({ lift: null })
    expect((await auditOf(old.serial))[0]).toBe(
      `terminals.unbind · ${BY} (claim code) · ${lift}, replaced by ${serial}`,
    )
  })

  it('is made for a lift that is there, for a week at most', async () => {
    expect((await post('/claim-codes', { lift: 'lift-of-nobody', validForHours: 1 })).json).toMatchObject({
      code: 'notFound',
    })
    for (const validForHours of [0, 169, 1.5, '24'])
      expect((await post('/claim-codes', { lift: liftId('lift-a1'), validForHours })).json).toMatchObject({
        code: 'request.invalid',
      })
  })

  it.each([
    ['a code that is too short', { code: 'K7MP-2RA', serial: 'TJ-1' }],
    ['look-alikes', { code: 'K7MP-2RA0', serial: 'TJ-0001' }],
    ['no serial', { code: 'K7MP-2RAX' }],
    ['a serial of a megabyte', { code: 'K7MP-2RAX', serial: 'T'.repeat(50_000) }],
    ['one field too many', { code: 'K7MP-2RAX', serial: 'TJ-0001', lift: 'lift-a1' }],
  ])('with %s is a bad request', async (_name, body) => {
    const answer = await world.ask('/api/v1/terminals/claim', { method: 'POST', body })
    expect(answer.json).toMatchObject({ status: 400, code: 'request.invalid' })
  })

  it('is guessed ten times from one address, then no code is taken from there for five minutes', async () => {
    await using own = await openWorld({}, world)
    const { code } = await issue(await newLift())
    for (let number = 0; number < TRIES_MAX; number += 1)
      expect((await claim('ABCD-2345', newSerial(), own)).json).toMatchObject(wrongCode)
    const locked = await claim(code, newSerial(), own)
    expect(locked.json).toMatchObject({ status: 429, code: 'claim.lockedOut' })
    expect(locked.headers['retry-after']).toBe('300')
    own.clock.shiftMs = LOCKED_OUT_MS + 1_000
    expect((await claim(code, newSerial(), own)).status).toBe(200)
  })

  it('is told to wait when too many are looked at at one moment', async () => {
    await using own = await openWorld({}, world)
    const claims = Array.from({ length: TRIES_MAX - 1 }, () => claim('ABCD-2345', newSerial(), own))
    const answers = await Promise.all(claims)
    const codes = new Set(answers.map(({ json }) => String(json['code'])))
    expect(codes).toContain('request.tooMany')
    expect([...codes].sort()).toEqual(['claim.refused', 'request.tooMany'])
  })

  it('is not taken from a page of another site', async () => {
    const answer = await world.ask('/api/v1/terminals/claim', {
      ...{ method: 'POST', body: { code: 'K7MP-2RAX', serial: 'TJ-0001' } },
      headers: { origin: 'https://evil.example' },
    })
    expect(answer.json).toMatchObject({ code: 'request.foreignOrigin' })
  })
})
