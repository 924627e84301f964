/** The `file:` journal by itself: how fast it makes records durable, how fast it opens when it holds many, how fast it reads. */
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { silentLog } from '#contract/log-events'
import { openFileJournal } from '#storage/journal/file-journal'
import type { Journal } from '#storage/journal/journal'
import { print, short, table } from './figures.ts'
import type { Benchmark } from './main.ts'

const REOPEN_MS_MAX = 2_000
const PAYLOAD = Buffer.alloc(250, 'x')
const RECORD_BYTES = 300
const FILL_IN_FLIGHT = 4_000
const COUNT_MAX = 500
/** The journal may hold all of them; nothing is committed. */
const BYTES_MAX = 64 * 1024 ** 3

const open = (folder: string) => openFileJournal(folder, { log: silentLog, bytesMax: BYTES_MAX, reserveBytes: 0 })

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const beganAtMs = performance.now()
  const value = await work()
  return { ms: performance.now() - beganAtMs, value }
}

type Appended = {
  readonly count: number
  readonly ms: number
  readonly cpuMs: number
  readonly ackMs: readonly number[]
}

/** Keeps `inFlight` records under way until `isDone`. Every hundredth acknowledgement is timed. */
async function appendMany(journal: Journal, inFlight: number, isDone: (count: number) => boolean): Promise<Appended> {
  const ackMs: number[] = []
  let count = 0
  let begunCount = 0
  let underway = 0
  const cpuBefore = process.cpuUsage()
  const { ms } = await timed(
    () =>
      new Promise<void>((resolve, reject) => {
        const next = () => {
          const beganAtMs = performance.now()
          const isTimed = begunCount % 100 === 0 || inFlight === 1
          begunCount += 1
          underway += 1
          const entry = {
            topic: 'lifts/v1/lift-0001/status',
            terminal: 'TJ-0001',
            receivedAtMs: Date.now(),
            payload: PAYLOAD,
          }
          journal.append(entry, (error) => {
            underway -= 1
            if (error !== undefined) return reject(error)
            count += 1
            if (isTimed) ackMs.push(performance.now() - beganAtMs)
            if (!isDone(begunCount)) next()
            else if (underway === 0) resolve()
          })
        }
        for (let i = 0; i < inFlight; i += 1) next()
      }),
  )
  const { user, system } = process.cpuUsage(cpuBefore)
  return { count, ms, cpuMs: (user + system) / 1000, ackMs: ackMs.sort((a, b) => a - b) }
}

async function appendRates(folder: string, seconds: number): Promise<void> {
  const rows: string[][] = []
  for (const inFlight of [1, 100, 1_000]) {
    await using journal = await open(join(folder, `rate-${inFlight}`))
    const untilMs = performance.now() + seconds * 1000
    const { count, ms, cpuMs, ackMs } = await appendMany(journal, inFlight, () => performance.now() > untilMs)
    const part = (share: number) => short(ackMs[Math.floor(ackMs.length * share)] ?? NaN)
    rows.push([String(inFlight), short((count / ms) * 1000), part(0.5), part(0.99), short((cpuMs / count) * 1000)])
  }
  print(table(['in flight', 'durable records/s', 'p50 ms', 'p99 ms', 'CPU µs each'], rows))
}

async function readerStart(journal: Journal, after: number): Promise<string> {
  await using reader = await journal.reader('detect', { after })
  const { ms, value } = await timed(() => reader.read({ countMax: COUNT_MAX, waitMs: 60_000 }))
  if (value[0]?.position !== after + 1)
    throw new Error(`the reader began at ${value[0]?.position}, not behind ${after}`)
  return short(ms)
}

async function readRate(journal: Journal, count: number): Promise<number> {
  await using reader = await journal.reader('telemetry', { after: 0 })
  const { ms } = await timed(async () => {
    for (let read = 0; read < count;) {
      const records = await reader.read({ countMax: COUNT_MAX, waitMs: 10_000 })
      if (records.length === 0) throw new Error(`only ${read} of ${count} records can be read`)
      read += records.length
    }
  })
  return (count / ms) * 1000
}

async function large(folder: string, count: number): Promise<boolean> {
  let firstPosition: number
  {
    await using journal = await open(folder)
    const { ms } = await appendMany(journal, FILL_IN_FLIGHT, (begunCount) => begunCount >= count)
    firstPosition = journal.status().firstPosition
    const gib = journal.status().bytes / 1024 ** 3
    print(`\n${count} records, ${short(gib)} GiB, written in ${short(ms / 1000)} s (${short((count / ms) * 1000)}/s)`)
  }
  const { ms: reopenMs, value: journal } = await timed(() => open(folder))
  try {
    print(`reopened in ${short(reopenMs)} ms (at most ${REOPEN_MS_MAX})`)
    const starts: string[] = []
    for (const share of [0, 0.5, 0.999])
      starts.push(`${share * 100} %: ${await readerStart(journal, firstPosition - 1 + Math.floor(count * share))} ms`)
    print(`first records of a reader whose position is at ${starts.join(', ')}`)
    print(`read at ${short(await readRate(journal, count))} records/s from the disk cache, ${COUNT_MAX} at a time`)
  } finally {
    await journal[Symbol.asyncDispose]()
  }
  return reopenMs <= REOPEN_MS_MAX
}

export const journal: Benchmark = {
  summary: 'the file: journal: durable records per second, opening at 10 million records, reading',
  options: '[--records 10000000] [--seconds 5] [--folder FOLDER]',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        records: { type: 'string', default: '10000000' },
        seconds: { type: 'string', default: '5' },
        folder: { type: 'string', default: tmpdir() },
      },
    })
    const count = Number(values.records)
    const { bavail, bsize } = await statfs(values.folder)
    if (bavail * bsize < count * RECORD_BYTES * 2)
      throw new Error(
        `${values.folder} has no room for ${count} records of ${RECORD_BYTES} bytes; use --folder or --records`,
      )
    const folder = await mkdtemp(join(values.folder, 'tiwang-bench-journal-'))
    try {
      await appendRates(folder, Number(values.seconds))
      return await large(join(folder, 'large'), count)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
