/** The telemetry stores side by side: rows a second and core, bytes a row, and how long four questions take. */
import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { chanceOf } from '../chance.ts'
import { print, short, table } from './figures.ts'
import type { Benchmark } from './main.ts'
import {
  CONTENDERS,
  missing,
  QUESTIONS,
  startContender,
  type Contender,
  type ContenderName,
  type QuestionName,
} from './telemetry-contenders.ts'
import { batchesOf, figuresOf, rowCountOf, type Town } from './telemetry-town.ts'

const QUESTION_MS_MAX = 100
/** SQLite with its indexes is the largest; one store at a time is on the disk. */
const ROW_BYTES_MAX = 300
const QUICK: Town = { liftCount: 100, dayCount: 1, everyMs: 60_000 }
const TOLD_EVERY_MS = 30_000

type Measured = {
  readonly name: ContenderName
  readonly rowsPerSecond: number
  readonly rowsPerCpuSecond: number
  readonly rowBytes: number
  readonly questions: Readonly<Record<QuestionName, { readonly p50Ms: number; readonly p99Ms: number }>>
}

const isContender = (name: string): name is ContenderName => Object.hasOwn(CONTENDERS, name)
const QUESTION_NAMES = Object.keys(QUESTIONS) as QuestionName[]

async function measure(name: ContenderName, town: Town, askCount: number): Promise<Measured> {
  await using contender = await startContender(name, town)
  const written = await write(contender, town)
  for (const rows of figuresOf(town)) await contender.putFigures(rows)
  // What the server still does with the rows in the background belongs to their writing.
  const bytes = await contender.bytes()
  const rowCount = rowCountOf(town)
  const questions = { ...UNASKED }
  for (const question of QUESTION_NAMES) questions[question] = await askMany(contender, question, town, askCount)
  return {
    name,
    rowsPerSecond: rowCount / (written.ms / 1_000),
    rowsPerCpuSecond: rowCount / (written.ownCpuS + contender.cpuSeconds()),
    rowBytes: bytes / rowCount,
    questions,
  }
}

const UNASKED: Record<QuestionName, { p50Ms: number; p99Ms: number }> = {
  last: { p50Ms: NaN, p99Ms: NaN },
  day: { p50Ms: NaN, p99Ms: NaN },
  runs: { p50Ms: NaN, p99Ms: NaN },
  fleet: { p50Ms: NaN, p99Ms: NaN },
}

/** Time and CPU of the appending alone: the making of the samples is not counted. */
async function write(contender: Contender, town: Town): Promise<{ ms: number; ownCpuS: number }> {
  const rowCount = rowCountOf(town)
  let ms = 0
  let ownCpuS = 0
  let doneCount = 0
  let toldAtMs = performance.now()
  for (const batch of batchesOf(town)) {
    const cpuBefore = process.cpuUsage()
    const beganAtMs = performance.now()
    await contender.append(batch)
    ms += performance.now() - beganAtMs
    const { user, system } = process.cpuUsage(cpuBefore)
    ownCpuS += (user + system) / 1e6
    doneCount += batch.length
    if (performance.now() - toldAtMs < TOLD_EVERY_MS) continue
    toldAtMs = performance.now()
    print(`  ${contender.name}: ${short((doneCount / rowCount) * 100)} % at ${short((doneCount / ms) * 1_000)} rows/s`)
  }
  return { ms, ownCpuS }
}

async function askMany(contender: Contender, question: QuestionName, town: Town, askCount: number) {
  const chance = chanceOf(6)
  const tookMs: number[] = []
  for (let ask = 0; ask < askCount; ask += 1) {
    const lift = Math.floor(chance() * town.liftCount)
    const day = Math.floor(chance() * town.dayCount)
    const beganAtMs = performance.now()
    const rowCount = await contender.ask(question, lift, day)
    tookMs.push(performance.now() - beganAtMs)
    const expected = { last: town.liftCount, day: 288, runs: town.dayCount, fleet: 24 }[question]
    // The samples of the first bucket of a day may lie in the one after it.
    if (Math.abs(rowCount - expected) > (question === 'day' ? 1 : 0))
      throw new Error(`${contender.name} answers ${QUESTIONS[question]} with ${rowCount} rows instead of ${expected}`)
  }
  tookMs.sort((a, b) => a - b)
  const at = (share: number): number => tookMs[Math.ceil(tookMs.length * share) - 1] ?? NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

function report(all: readonly Measured[]): void {
  print(
    table(
      ['', 'rows/s', 'rows/s per core', 'bytes a row'],
      all.map((each) => [
        each.name,
        ...[each.rowsPerSecond, each.rowsPerCpuSecond, each.rowBytes].map((value) => short(value)),
      ]),
    ),
  )
  print()
  print(
    table(
      ['p50 / p99, ms', ...all.map(({ name }) => name)],
      QUESTION_NAMES.map((question) => [
        QUESTIONS[question],
        ...all.map(({ questions }) => `${short(questions[question].p50Ms)} / ${short(questions[question].p99Ms)}`),
      ]),
    ),
  )
}

/** What the embedded store misses; the others are there to compare with. */
function missedBy(all: readonly Measured[]): string[] {
  const embedded = all.find(({ name }) => name === 'embedded')
  if (embedded === undefined) return []
  const best = all.reduce((a, b) => (b.rowsPerCpuSecond > a.rowsPerCpuSecond ? b : a))
  const ratio = embedded.rowsPerCpuSecond / best.rowsPerCpuSecond
  const isEnough = ratio >= 1 || (ratio >= 0.8 && embedded.rowBytes <= best.rowBytes / 2)
  const slow = QUESTION_NAMES.filter((question) => !(embedded.questions[question].p99Ms <= QUESTION_MS_MAX))
  return [
    ...(isEnough ? [] : [`rows/s per core: ${short(ratio)} of ${best.name}`]),
    ...slow.map((question) => `${QUESTIONS[question]}: p99 above ${QUESTION_MS_MAX} ms`),
  ]
}

async function townOf(o: { lifts: string; days: string; every: string }): Promise<Town> {
  const town = { liftCount: Number(o.lifts), dayCount: Number(o.days), everyMs: Number(o.every) * 1_000 }
  if (!Object.values(town).every((value) => Number.isSafeInteger(value) && value > 0))
    throw new Error('--lifts, --days and --every are whole numbers above 0')
  if (town.everyMs > 300_000) throw new Error('--every is at most 300: the question of 5-minute buckets needs samples')
  const { bavail, bsize } = await statfs(tmpdir())
  const fits = (each: Town): boolean => rowCountOf(each) * ROW_BYTES_MAX < bavail * bsize
  if (fits(town)) return town
  const week = { ...town, dayCount: Math.min(7, town.dayCount) }
  if (!fits(week))
    throw new Error(`${tmpdir()} has no room for ${rowCountOf(week)} rows of ${ROW_BYTES_MAX} bytes; set TMPDIR`)
  print(`${tmpdir()} has room for ${week.dayCount} days only, not for ${town.dayCount}`)
  return week
}

export const telemetry: Benchmark = {
  summary: 'the telemetry stores side by side: rows a second and core, bytes a row, four questions',
  options:
    '[--lifts 1000] [--days 30] [--every 30 (s)] [--asks 200] [--stores embedded,influxdb,sqlite] [--quick (small, not judged)]',
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        lifts: { type: 'string', default: '1000' },
        days: { type: 'string', default: '30' },
        every: { type: 'string', default: '30' },
        asks: { type: 'string', default: '200' },
        stores: { type: 'string', default: Object.keys(CONTENDERS).join(',') },
        quick: { type: 'boolean', default: false },
      },
    })
    const town = values.quick ? QUICK : await townOf(values)
    const askCount = values.quick ? 20 : Number(values.asks)
    print(
      `${town.liftCount} lifts × ${town.dayCount} days, a sample every ${town.everyMs / 1_000} s: ${rowCountOf(town)} rows`,
    )
    const all: Measured[] = []
    for (const name of values.stores.split(',')) {
      if (!isContender(name)) throw new Error(`there is no store “${name}”: ${Object.keys(CONTENDERS).join(', ')}`)
      const reason = missing(name)
      print(`${name}: ${reason === undefined ? CONTENDERS[name] : `left out, ${reason}`}`)
      if (reason === undefined) all.push(await measure(name, town, askCount))
    }
    print()
    report(all)
    if (values.quick) return true
    const missed = missedBy(all)
    for (const each of missed) print(`missed: ${each}`)
    return missed.length === 0
  },
}
