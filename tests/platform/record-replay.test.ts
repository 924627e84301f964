import { writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRecording, type RecordedMessage } from '#simulator/scenario/recording'
import { tempFolder } from '../servers/temp-folder.ts'
import { eventually, passwordOf, signIn, startProcess, type PlatformProcess } from './platform-process.ts'
import { readTerminals } from './terminals.ts'

const root = new URL('../..', import.meta.url).pathname
const LIFT_COUNT = 8

/** `npm run simulate -- …`. */
const simulate = (env: Readonly<Record<string, string>>, ...args: string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const node = ['--import', 'tsx', join(root, 'simulator/main.ts'), ...args]
    const child = execFile(
      process.execPath,
      node,
      { cwd: root, timeout: 100_000, env: { ...process.env, ...env } },
      (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

type Session = Awaited<ReturnType<typeof signIn>>
type Page = {
  items: { sampledAt: string; seq: number; boot: number; fields: Record<string, unknown> }[]
  next: string | null
}

/** What a platform holds of one lift, by measurement and `seq`, without the times and starts that a replay changes. */
async function pointsOf(session: Session, lift: string, measurement: string) {
  const found: { atMs: number; boot: number; seq: number; fields: Record<string, unknown> }[] = []
  let after = ''
  do {
    const page = await session.get<Page>(
      `/api/v1/lifts/${lift}/samples?measurement=${measurement}&limit=500${after === '' ? '' : `&after=${after}`}`,
    )
    for (const { sampledAt, seq, boot, fields } of page.items)
      found.push({ atMs: Date.parse(sampledAt), boot, seq, fields })
    after = page.next ?? ''
  } while (after !== '')
  return found
}

async function platformWith(folder: string, environment: Readonly<Record<string, string>>) {
  const platform = await startProcess({
    DATA_DIR: folder,
    DEMO_LIFTS: String(LIFT_COUNT),
    PARTS: 'broker,ingest,api',
    ...environment,
  })
  const session = await signIn(platform.apiUrl, 'operator', await passwordOf('operator', folder))
  return { platform, session }
}

async function readAll(path: string): Promise<{ lifts: string[]; messages: RecordedMessage[] }> {
  const { head, messages } = await openRecording(path)
  const all: RecordedMessage[] = []
  for await (const message of messages) all.push(message)
  return { lifts: head.terminals.map(({ lift }) => lift), messages: all }
}

async function record(platform: PlatformProcess, folder: string, out: string) {
  await writeFile(join(folder, 'password.txt'), (await passwordOf('operator', folder)) + '\n')
  const password = ['--password-file', join(folder, 'password.txt')]
  return simulate(
    {},
    'record',
    '--api',
    platform.apiUrl,
    '--user',
    'operator',
    ...password,
    '--minutes',
    '10',
    '--out',
    out,
  )
}

describe('a recording of a live town', () => {
  it(
    'replayed into another town gives the same points, their times shifted by one constant',
    { timeout: 240_000 },
    async () => {
      await using one = await tempFolder('recorded')
      await using other = await tempFolder('replayed')
      const path = join(other.path, 'town.rec')
      const live = { path: join(one.path, 'live.rec'), credentials: join(one.path, 'simulated-terminals.json') }
      {
        const { platform, session } = await platformWith(one.path, {})
        await using _platform = platform
        const lived = await simulate(
          {},
          ...['--broker', platform.mqttUrl, '--credentials', live.credentials],
          ...['--minutes', '0.25', '--record', live.path],
        )
        expect(lived).toMatchObject({ code: 0, err: '' })
        const spoken = await readAll(live.path)
        expect(spoken.messages.length).toBeGreaterThan(4 * LIFT_COUNT)
        // All that was said is stored before it is asked for.
        const statusCount = spoken.messages.filter(({ kind }) => kind === 'status').length
        const stored = async () =>
          (await Promise.all(spoken.lifts.map((lift) => pointsOf(session, lift, 'status')))).flat().length
        await eventually(stored, (count) => count >= statusCount, 20_000)
        const recorded = await record(platform, one.path, path)
        expect(recorded).toMatchObject({ code: 0, err: '' })
        expect(recorded.out).toMatch(/recording: \d+ messages of 8 terminals in .*, left out 0/)
        expect(recorded.out).not.toContain(await passwordOf('operator', one.path))
      }
      const { lifts, messages } = await readAll(path)
      const spoken = await readAll(live.path)
      // From the API come the same messages as the terminals sent, and besides them what the broker said for those that left.
      expect(namesOf(messages.filter(isNumbered), lifts)).toEqual(namesOf(spoken.messages, spoken.lifts))

      const { platform, session } = await platformWith(other.path, { DEMO_SEED: '77' })
      await using _platform = platform
      const credentials = ['--credentials', join(other.path, 'simulated-terminals.json')]
      const refused = await simulate({}, 'replay', path, '--broker', platform.mqttUrl, ...credentials)
      expect(refused).toMatchObject({ code: 2, out: '' })
      expect(refused.err).toContain('--as-credentials')
      const replayed = await simulate(
        {},
        'replay',
        path,
        '--broker',
        platform.mqttUrl,
        ...credentials,
        '--as-credentials',
        '--speed',
        'max',
      )
      expect(replayed).toMatchObject({ code: 0, err: '' })
      expect(replayed.out).toContain(`acknowledged ${messages.length} of ${messages.length}`)

      const cast = await readTerminals(other.path)
      const shifts = new Set<number>()
      for (const [index] of lifts.entries())
        for (const measurement of ['status', 'statistics', 'message', 'connection'] as const) {
          const own = messages.filter(
            (message) => message.terminal === index && message.kind === measurement && isNumbered(message),
          )
          const there = await eventually(
            async () => (await pointsOf(session, cast[index]?.lift ?? '', measurement)).filter(({ boot }) => boot > 0),
            ({ length }) => length >= own.length,
            20_000,
          )
          expect(there).toHaveLength(own.length)
          const recordedBySeq = new Map(own.map(({ payload }) => bodyOf(payload)).map((body) => [body.seq, body]))
          for (const point of there) {
            const { seq, atMs, fields } = point
            const body = recordedBySeq.get(seq)
            shifts.add(atMs - (body?.atMs ?? NaN))
            expect(atMs).toBeLessThanOrEqual(Date.now())
            const { terminal: _terminal, ...values } = fields
            expect(values).toEqual(body?.values)
          }
        }
      expect(shifts.size).toBe(1)
    },
  )
})

const isNumbered = ({ payload }: RecordedMessage): boolean => payload.includes('"seq"')

/** What tells messages apart, whatever their order. */
const namesOf = (messages: readonly RecordedMessage[], lifts: readonly string[]): string[] =>
  messages
    .map(({ terminal, kind, payload }) => {
      const { boot, seq } = JSON.parse(payload) as { boot: number; seq: number }
      return `${lifts[terminal]} ${kind} ${boot} ${seq}`
    })
    .sort()

function bodyOf(payload: string): { seq: number; atMs: number; values: Record<string, unknown> } {
  const {
    v: _v,
    boot: _boot,
    seq,
    sampledAtMs,
    occurredAtMs,
    atMs,
    terminal: _terminal,
    snapshot,
    ...rest
  } = JSON.parse(payload) as Record<string, number>
  const values = snapshot === undefined ? rest : { ...rest, snapshot: JSON.stringify(snapshot) }
  return { seq: seq ?? NaN, atMs: sampledAtMs ?? occurredAtMs ?? atMs ?? NaN, values }
}
