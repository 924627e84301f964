import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import type { LiftId } from '#contract/ids'
import { retryAfterMsOf } from '#storage/telemetry/influx-connection'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { startAnswering, type Answer } from '../servers/answering.ts'
import { LIFT, statusPoint, T0 } from './telemetry-points.ts'

const ALL = { lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const open = (url: string): Promise<TelemetryStore> => openTelemetryStore(url, { log: silentLog })
const isWrite = (url: string | undefined): boolean => url?.startsWith('/write') === true
/** What a test says to writes; everything else is answered as by an InfluxDB 1.x that has what is asked for. */
const toWrites = (answer: (writeCount: number) => Answer | 'closed' | undefined | Promise<Answer>) => {
  let writeCount = 0
  return ({ url }: { url?: string | undefined }) => (isWrite(url) ? answer((writeCount += 1)) : { status: 204 })
}
const refusalOf = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => 'taken',
    (error: unknown) => error,
  )

describe('an InfluxDB that asks for time', () => {
  it.each([
    ['7', 7_000],
    [' 1 ', 1_000],
    ['0', 0],
    ['3600', 60_000],
    ['99999999999999999999', 60_000],
    ['Fri, 20 Nov 2026 16:00:09 GMT', 9_000],
    ['Fri, 20 Nov 2026 15:59:00 GMT', 0],
    ['Fri, 20 Nov 2099 16:00:00 GMT', 60_000],
    ['soon', 0],
    ['', 0],
    ['1.5', 0],
    [undefined, 0],
    [['7'], 0],
  ])('that says Retry-After: %j is left alone for %i ms', (header, ms) => {
    expect(retryAfterMsOf(header, Date.parse('Fri, 20 Nov 2026 16:00:00 GMT'))).toBe(ms)
  })

  it.each([429, 503])('with %i is away for so long', async (status) => {
    await using server = await startAnswering(
      toWrites((count) => (count === 1 ? { status, headers: { 'retry-after': '7' } } : { status: 204 })),
    )
    await using store = await open(server.storeUrl)
    await expect(store.append([statusPoint({})])).rejects.toMatchObject({ kind: 'away', retryAfterMs: 7_000 })
    await store.append([statusPoint({})])
  })

  it('while it makes the database is away for so long', async () => {
    await using server = await startAnswering(() => ({ status: 503, headers: { 'retry-after': '3' } }))
    await using store = await open(server.storeUrl)
    await expect(store.append([statusPoint({})])).rejects.toMatchObject({ kind: 'away', retryAfterMs: 3_000 })
  })
})

describe('an InfluxDB that breaks', () => {
  it('that is slow is waited for', async () => {
    await using server = await startAnswering(
      toWrites(() => new Promise((answer) => setTimeout(() => answer({ status: 204 }), 1_500))),
    )
    await using store = await open(server.storeUrl)
    await store.append([statusPoint({})])
  })

  it('that takes the points and dies before it answers is away, and is used again when it is back', async () => {
    await using server = await startAnswering(toWrites((count) => (count === 1 ? 'closed' : { status: 204 })))
    await using store = await open(server.storeUrl)
    await expect(store.append([statusPoint({})])).rejects.toMatchObject({ kind: 'away', retryAfterMs: 0 })
    await store.append([statusPoint({})])
    expect(server.asked.filter(({ line }) => line.includes('/write')).map(({ bytes }) => bytes > 0)).toEqual([
      true,
      true,
    ])
  })

  it.each([
    ['before a word', ''],
    ['in the head of its answer', 'HTTP/1.1 200 OK\r\nContent-Ty'],
    [
      'in the body of its answer',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"results":[{"ser',
    ],
    ['with words that are no answer', 'EHLO influx\r\n\r\n'],
    [
      'after a body that is no JSON',
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnope',
    ],
  ])('that dies %s is away, and no question hangs', async (_, words) => {
    await using server = await startBreaking(words)
    await using store = await open(server.storeUrl)
    for (const ask of [() => store.append([statusPoint({})]), () => store.check(), () => store.count(ALL)])
      expect(await refusalOf(ask())).toMatchObject({ name: 'TelemetryStoreError', kind: 'away' })
  })

  it('that lets nobody in with this token is away with a hint, and the token stays secret', async () => {
    await using server = await startAnswering(({ url }) =>
      url?.startsWith('/ping') === true
        ? { status: 204, headers: { 'x-influxdb-version': 'v2.7.1' } }
        : { status: 401, body: { code: 'unauthorized', message: 'unauthorized access' } },
    )
    await using store = await open(`${server.storeUrl}?org=town&token=s3cret-token`)
    for (const ask of [() => store.append([statusPoint({})]), () => store.check(), () => store.count(ALL)]) {
      const refusal = await refusalOf(ask())
      expect(refusal).toMatchObject({
        kind: 'away',
        message: `InfluxDB at ${server.host} does not let us in (check the user, password or token in TELEMETRY_URL): 401 unauthorized access`,
      })
      expect(JSON.stringify(refusal)).not.toContain('s3cret')
    }
  })

  it('whose bucket was removed is away once and gets it again', async () => {
    let hasBucket = false
    await using server = await startAnswering(({ method, url = '' }) => {
      if (url.startsWith('/ping')) return { status: 204, headers: { 'x-influxdb-version': 'v2.7.1' } }
      if (url.startsWith('/api/v2/orgs')) return { status: 200, body: { orgs: [{ id: 'org-1' }] } }
      if (url.startsWith('/api/v2/buckets') && method === 'POST') hasBucket = true
      if (url.startsWith('/api/v2/')) return { status: method === 'GET' ? 200 : 201, body: { id: 'bucket-1' } }
      if (hasBucket) return { status: 204 }
      return { status: 404, body: { code: 'not found', message: 'bucket "lifts" not found' } }
    })
    await using store = await open(`${server.storeUrl}?org=town&token=secret`)
    await store.append([statusPoint({})])
    hasBucket = false
    await expect(store.append([statusPoint({})])).rejects.toMatchObject({
      kind: 'away',
      message: `InfluxDB at ${server.host} cannot be used: 404 bucket "lifts" not found`,
    })
    await store.append([statusPoint({})])
    expect(hasBucket).toBe(true)
  })
})

describe('a full batch to InfluxDB', () => {
  /** So many lifts that they are divided among the requests. */
  const batch = Array.from({ length: 5_000 }, (_, n) =>
    statusPoint({ lift: `lift-${n % 40}` as LiftId, atMs: T0 + n, seq: n }),
  )

  it('goes out in four requests at a time, and is taken when all four are', async () => {
    let underwayCount = 0
    let underwayMax = 0
    await using server = await startAnswering(
      toWrites(async () => {
        underwayMax = Math.max(underwayMax, (underwayCount += 1))
        // Answered when the others are there too: one after the other would never end.
        await expect.poll(() => underwayMax, { timeout: 5_000 }).toBe(4)
        underwayCount -= 1
        return { status: 204 }
      }),
    )
    await using store = await open(server.storeUrl)
    await store.append(batch)
    expect(underwayMax).toBe(4)
    expect(server.asked.filter(({ line }) => line.includes('/write'))).toHaveLength(4)
  })

  it('goes out in one request when it is small or of one lift', async () => {
    await using server = await startAnswering(toWrites(() => ({ status: 204 })))
    await using store = await open(server.storeUrl)
    await store.append(batch.slice(0, 999))
    await store.append(batch.map((point) => ({ ...point, lift: LIFT })))
    expect(server.asked.filter(({ line }) => line.includes('/write'))).toHaveLength(2)
  })

  const refused = { status: 400, body: { error: 'partial write: field type conflict' } }
  it.each([
    ['refused when one part is', [refused], { kind: 'refused', retryAfterMs: 0 }],
    [
      'away when one part is and another is refused, for the longest time that was asked for',
      [refused, { status: 429, headers: { 'retry-after': '2' } }, { status: 503, headers: { 'retry-after': '5' } }],
      { kind: 'away', retryAfterMs: 5_000 },
    ],
  ] as const)('is %s, after all parts were answered', async (_, answers, expected) => {
    let answeredCount = 0
    await using server = await startAnswering(
      toWrites(async (count) => {
        if (count > answers.length) await new Promise((resolve) => setTimeout(resolve, 300))
        answeredCount += 1
        return answers[count - 1] ?? { status: 204 }
      }),
    )
    await using store = await open(server.storeUrl)
    await expect(store.append(batch)).rejects.toMatchObject(expected)
    expect(answeredCount).toBe(4)
  })
})

/** A server that lets one in, waits for a request, says these words and closes. */
async function startBreaking(words: string) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    socket.once('data', () => (words === '' ? socket.destroy() : socket.end(words)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    storeUrl: `influx+http://127.0.0.1:${(server.address() as AddressInfo).port}/lifts`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
