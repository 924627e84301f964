import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SIGN_INS_UNDER_WAY_MAX } from '#api/passwords'
import { SESSION_IDLE_MS_MAX, SESSION_MS_MAX } from '#api/sessions'
import { LOCKED_OUT_MS, TRIES_MAX } from '#api/sign-in-tries'
import { hashPassword, verifyPassword } from '#storage/register/secrets'
import { cookieOf, openWorld, PASSWORD, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const post = (body: unknown, headers: Record<string, string> = {}, cookie?: string) =>
  world.ask('/api/v1/session', { method: 'POST', body, headers, cookie })
const auditActs = async () =>
  (await world.register.audit.list({ limit: 100 })).rows.map(({ by, act, detail }) => ({ by, act, detail }))

describe('a session', () => {
  it('begins with a cookie that scripts cannot read and ends when the person signs out', async () => {
    const signedIn = await post({ username: 'operator', password: PASSWORD })
    expect(signedIn.status).toBe(200)
    expect(signedIn.json).toMatchObject({
      user: { id: 'operator', username: 'operator', name: '王值班', role: 'operator', organisation: 'ops' },
    })
    expect(JSON.stringify(signedIn.json)).not.toContain('argon2')
    const attributes = String(signedIn.headers['set-cookie'])
    expect(attributes).toMatch(/^tiwang_session=[A-Za-z0-9_-]{43}\.[0-9a-z]+; /)
    expect(attributes).toMatch(/HttpOnly/)
    expect(attributes).toMatch(/SameSite=Strict/)
    expect(attributes).toMatch(/Path=\//)
    expect(attributes).not.toMatch(/Secure/)
    const cookie = cookieOf(signedIn)
    const who = await world.ask('/api/v1/session', { cookie })
    expect(who.json).toEqual(signedIn.json)
    const out = await world.ask('/api/v1/session', { method: 'DELETE', cookie })
    expect([out.status, out.text]).toEqual([204, ''])
    expect((await world.ask('/api/v1/session', { cookie })).json).toMatchObject({
      status: 401,
      code: 'session.missing',
    })
    expect(await auditActs()).toContainEqual({ by: '王值班', act: 'session.closed', detail: '127.0.0.1' })
  })

  it('is kept in the register only as the SHA-256 of its token', async () => {
    const token = (await world.signIn('alpha')).split('=')[1] ?? ''
    const at = { nowMs: world.clock.nowMs(), idleMsMax: SESSION_IDLE_MS_MAX }
    expect(await world.register.sessions.use(token, at)).toBeUndefined()
    expect(await world.register.sessions.use(createHash('sha256').update(token).digest('hex'), at)).toMatchObject({
      id: 'alpha',
    })
  })

  it('gets a new token at each sign-in, and the one before is over', async () => {
    const first = await world.signIn('alpha')
    const second = cookieOf(await post({ username: 'alpha', password: PASSWORD }, {}, first))
    expect(second).not.toBe(first)
    expect((await world.ask('/api/v1/session', { cookie: first })).status).toBe(401)
    expect((await world.ask('/api/v1/session', { cookie: second })).status).toBe(200)
  })

  it('cannot be lengthened by changing the instant in its token', async () => {
    const [token] = (await world.signIn('alpha')).split('.')
    const cookie = `${token}.${(world.clock.nowMs() + 90 * 86_400_000).toString(36)}`
    expect((await world.ask('/api/v1/session', { cookie })).status).toBe(401)
  })

  it('is over when it was idle for twelve hours, and after a day whatever happens', async () => {
    const idle = await world.signIn('beta')
    const used = await world.signIn('beta')
    try {
      for (let spentMs = 0; spentMs <= SESSION_MS_MAX - 2 * 3_600_000; spentMs += 11 * 3_600_000) {
        world.clock.shiftMs = spentMs
        expect((await world.ask('/api/v1/session', { cookie: used })).status).toBe(200)
      }
      world.clock.shiftMs = SESSION_IDLE_MS_MAX + 60_000
      expect((await world.ask('/api/v1/session', { cookie: idle })).status).toBe(401)
      world.clock.shiftMs = SESSION_MS_MAX + 60_000
      expect((await world.ask('/api/v1/session', { cookie: used })).status).toBe(401)
    } finally {
      world.clock.shiftMs = 0
    }
  })

  it.each(['', 'tiwang_session=', 'tiwang_session=x', `tiwang_session=${'a'.repeat(43)}.zzzz`, 'tiwang_session=%00'])(
    'is not opened by the cookie “%s”',
    async (cookie) => {
      expect((await world.ask('/api/v1/session', { cookie })).json).toMatchObject({
        status: 401,
        code: 'session.missing',
      })
    },
  )
})

describe('a refused sign-in', () => {
  it('says the same for a wrong password as for an unknown name, and is written down', async () => {
    const wrong = await post({ username: 'operator', password: 'no' }, { 'accept-language': 'en' })
    const unknown = await post({ username: 'hunter2-typed-here', password: 'no' }, { 'accept-language': 'en' })
    const common = ({ json }: typeof wrong) => ({ ...json, traceId: '' })
    expect(wrong.json).toMatchObject({ status: 401, code: 'session.refused', title: 'User name or password is wrong' })
    expect(common(wrong)).toEqual(common(unknown))
    expect(wrong.headers['set-cookie']).toBeUndefined()
    const acts = await auditActs()
    expect(acts).toContainEqual({ by: '王值班', act: 'session.refused', detail: 'wrong password' })
    expect(acts).toContainEqual({ by: '(unknown)', act: 'session.refused', detail: 'unknown user name' })
    expect(JSON.stringify((await world.register.audit.list({ limit: 100 })).rows)).not.toContain('hunter2')
  })

  it('takes as long for an unknown name as for a wrong password', async () => {
    const durationMs = async (username: string) => {
      const times = []
      for (let round = 0; round < 3; round += 1) {
        const atMs = performance.now()
        await post({ username, password: 'no' })
        times.push(performance.now() - atMs)
      }
      return Math.min(...times)
    }
    const [known, unknown] = [await durationMs('admin'), await durationMs('nobody-at-all')]
    // Without a hash to verify the answer would come in a tenth of the time.
    expect(unknown).toBeGreaterThan(known / 3)
  })

  it('locks the account out after ten wrong tries, even for the right password, for five minutes', async () => {
    for (let number = 0; number < TRIES_MAX; number += 1)
      expect((await post({ username: 'Beta', password: 'no' })).status).toBe(401)
    const locked = await post({ username: 'beta', password: PASSWORD })
    expect(locked.json).toMatchObject({ status: 429, code: 'session.lockedOut' })
    expect(locked.headers['retry-after']).toBe('300')
    expect((await post({ username: 'operator', password: PASSWORD })).status).toBe(200)
    expect((await auditActs()).filter(({ detail }) => detail.startsWith('locked out'))).toHaveLength(1)
    world.clock.shiftMs = LOCKED_OUT_MS + 1_000
    expect((await post({ username: 'beta', password: PASSWORD })).status).toBe(200)
    world.clock.shiftMs = 0
  })

  it('is told to wait when too many people sign in at one moment, whoever they are', async () => {
    const bodies = Array.from({ length: SIGN_INS_UNDER_WAY_MAX + 12 }, (_, number) => ({
      username: `crowd-${number}`,
      password: 'no',
    }))
    const codes = (await Promise.all(bodies.map((body) => post(body)))).map(({ json }) => String(json['code']))
    expect(new Set(codes)).toEqual(new Set(['session.refused', 'request.tooMany']))
    expect((await post({ username: 'operator', password: PASSWORD })).status).toBe(200)
  })

  it('is told to wait when too many passwords wait to be looked at', async () => {
    await using own = await openWorld({}, world)
    const signIn = () =>
      own.ask('/api/v1/session', { method: 'POST', body: { username: 'operator', password: PASSWORD } })
    const phc = await hashPassword('x')
    const waiting = Promise.allSettled(Array.from({ length: 100 }, () => verifyPassword(phc, 'x')))
    const busy = await signIn()
    expect(busy.json).toMatchObject({ status: 429, code: 'request.tooMany' })
    expect(Number(busy.headers['retry-after'])).toBeGreaterThan(0)
    await waiting
    expect((await signIn()).status).toBe(200)
  })

  it.each([
    ['no body', undefined],
    ['a list', []],
    ['no password', { username: 'operator' }],
    ['a number as password', { username: 'operator', password: 7 }],
    ['one field too many', { username: 'operator', password: PASSWORD, role: 'administrator' }],
    ['a password of a kilobyte', { username: 'operator', password: 'x'.repeat(1_024) }],
    ['no JSON', '{"username":'],
    ['a poisoned prototype', '{"username":"operator","password":"x","__proto__":{"role":"administrator"}}'],
  ])('is a bad request when it has %s', async (_name, body) => {
    const answer = await post(body, { 'content-type': 'application/json' })
    expect(answer.json).toMatchObject({ status: 400, code: 'request.invalid' })
  })
})

describe('a write that another site makes', () => {
  it.each([
    ['an Origin of its own', { origin: 'https://evil.example' }],
    ['no Origin but cross-site', { 'sec-fetch-site': 'cross-site' }],
  ])('is refused when it has %s', async (_name, headers) => {
    const cookie = await world.signIn('operator')
    const refused = await world.ask('/api/v1/session', { method: 'DELETE', cookie, headers })
    expect(refused.json).toMatchObject({ status: 403, code: 'request.foreignOrigin' })
    expect((await world.ask('/api/v1/session', { cookie })).status).toBe(200)
    expect((await post({ username: 'operator', password: PASSWORD }, headers)).status).toBe(403)
  })

  it('is taken from the page of this platform', async () => {
    const answer = await post(
      { username: 'operator', password: PASSWORD },
      { origin: world.api.url, 'sec-fetch-site': 'same-origin' },
    )
    expect(answer.status).toBe(200)
  })
})

describe('behind https', () => {
  it('the cookie is Secure and bound to the host, and browsers are told to stay with https', async () => {
    await using secure = await openWorld({ publicOrigin: 'https://tiwang.example' }, world)
    const body = { username: 'operator', password: PASSWORD }
    const headers = { origin: 'https://tiwang.example' }
    const answer = await secure.ask('/api/v1/session', { method: 'POST', body, headers })
    expect(String(answer.headers['set-cookie'])).toMatch(/^__Host-tiwang_session=.*; Path=\/; .*Secure/)
    expect(String(answer.headers['set-cookie'])).not.toMatch(/Domain/)
    expect(answer.headers['strict-transport-security']).toContain('max-age=31536000')
    expect((await secure.ask('/api/v1/session', { cookie: cookieOf(answer) })).status).toBe(200)
    const plain = cookieOf(answer).replace('__Host-', '')
    expect((await secure.ask('/api/v1/session', { cookie: plain })).status).toBe(401)
    expect(
      (await secure.ask('/api/v1/session', { method: 'POST', body, headers: { origin: secure.api.url } })).status,
    ).toBe(403)
  })
})
