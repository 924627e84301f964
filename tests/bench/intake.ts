/** How many publications a second are acknowledged, at what cost, next to plain Aedes and Mosquitto. */
import { parseArgs } from 'node:util'
import { LOAD_CORE, residentBytes, startPinned } from './child-process.ts'
import { CONTENDERS, missing, startContender, type Contender, type ContenderName } from './contenders.ts'
import { median, print, short, table } from './figures.ts'
import type { RunAnswer, RunQuestion } from './load.ts'
import type { Benchmark } from './main.ts'

type Options = {
  publishers: number
  inFlight: number
  rounds: number
  measureMs: number
  idleCount: number
  only: ContenderName[]
  profileFolder: string | undefined
}
type Figures = { full: RunAnswer[]; half: RunAnswer[]; idleBytes: number | undefined }

const WARM_UP_MS = 2_000
const CONNECTING_AT_ONCE = 100

export const intake: Benchmark = {
  summary: 'acknowledged QoS 1 publications a second: this broker, plain Aedes, Mosquitto',
  options:
    '[--publishers 1000] [--in-flight 1] [--rounds 3] [--seconds 5] [--idle 5000] [--only tiwang,aedes,…] [--profile FOLDER] [--quick]',
  run: async (args) => {
    const o = readOptions(args)
    print(`QoS 1, ${o.publishers} publishers, ${o.inFlight} in flight each, 250 bytes; ${o.rounds} rounds in turn`)
    const names = o.only.filter((name) => {
      const reason = missing(name)
      if (reason !== undefined) print(`not run: ${name}: ${reason}`)
      return reason === undefined
    })
    const figures = new Map<ContenderName, Figures>(
      names.map((name) => [name, { full: [], half: [], idleBytes: undefined }]),
    )
    for (let round = 0; round < o.rounds; round += 1)
      for (const [name, found] of figures) await measureRound(name, found, o)
    if (o.idleCount > 0)
      for (const [name, found] of figures)
        if (name === 'tiwang' || name === 'aedes') found.idleBytes = await measureIdle(name, o.idleCount)
    report(figures)
    return judge(figures)
  },
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      publishers: { type: 'string', default: '1000' },
      'in-flight': { type: 'string', default: '1' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      idle: { type: 'string' },
      only: { type: 'string', default: Object.keys(CONTENDERS).join(',') },
      profile: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  })
  const isName = (name: string): name is ContenderName => Object.hasOwn(CONTENDERS, name)
  const only = values.only.split(',')
  if (!only.every(isName)) throw new Error(`--only takes ${Object.keys(CONTENDERS).join(', ')}`)
  return {
    publishers: Number(values.publishers),
    inFlight: Number(values['in-flight']),
    rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
    measureMs: 1000 * Number(values.seconds ?? (values.quick ? 3 : 5)),
    idleCount: Number(values.idle ?? (values.quick ? 1000 : 5000)),
    only,
    profileFolder: values.profile,
  }
}

async function measureRound(name: ContenderName, found: Figures, o: Options): Promise<void> {
  await using contender = await startContender(name, { terminalCount: o.publishers, profileFolder: o.profileFolder })
  await using load = startPinned('./load-process.ts', { core: LOAD_CORE })
  if (contender.reader !== 'none')
    await load.ask({ do: 'subscribe', port: contender.port, clean: contender.reader === 'clean' })
  await load.ask({
    do: 'connect',
    port: contender.port,
    first: 0,
    count: o.publishers,
    atOnce: CONNECTING_AT_ONCE,
    inFlight: o.inFlight,
  })
  const question = {
    do: 'run',
    publishers: o.publishers,
    warmUpMs: WARM_UP_MS,
    measureMs: o.measureMs,
    serverPid: contender.process.pid,
  } satisfies RunQuestion
  const full = await load.ask<RunAnswer>(question)
  found.full.push(full)
  const rate = full.acknowledgedCount / full.seconds / 2
  found.half.push(await load.ask<RunAnswer>({ ...question, rate, warmUpMs: 1_000 }))
  print(`  ${name.padEnd(14)}${short(rate * 2)}/s${full.lostCount > 0 ? `, ${full.lostCount} connections lost` : ''}`)
}

/** Bytes in RAM per connection that says nothing. */
async function measureIdle(name: ContenderName, count: number): Promise<number> {
  await using contender: Contender = await startContender(name, { terminalCount: count })
  await using load = startPinned('./load-process.ts', { core: LOAD_CORE })
  await settle(contender)
  const before = residentBytes(contender.process.pid)
  await load.ask({ do: 'connect', port: contender.port, first: 0, count, atOnce: CONNECTING_AT_ONCE, inFlight: 1 })
  await settle(contender)
  return (residentBytes(contender.process.pid) - before) / count
}

async function settle(contender: Contender): Promise<void> {
  for (let times = 0; times < 3; times += 1) {
    await contender.process.ask({}) // collects garbage before it answers
    await new Promise((wake) => setTimeout(wake, 1_000))
  }
}

const rateOf = ({ acknowledgedCount, seconds }: RunAnswer) => acknowledgedCount / seconds
const microsecondsOf = ({ serverCpuS, acknowledgedCount }: RunAnswer) => (serverCpuS * 1e6) / acknowledgedCount
const over = (answers: readonly RunAnswer[], of: (answer: RunAnswer) => number) => median(answers.map(of))

function report(figures: ReadonlyMap<ContenderName, Figures>): void {
  const ownRate = over(figures.get('tiwang')?.full ?? [], rateOf)
  const rows = [...figures].map(([name, { full, half, idleBytes }]) => [
    name,
    short(over(full, rateOf)),
    short(ownRate / over(full, rateOf)),
    short(over(full, (answer) => answer.p50Ms)),
    short(over(full, (answer) => answer.p99Ms)),
    short(over(half, (answer) => answer.p99Ms)),
    `${short(over(full, ({ serverCpuS, seconds }) => (100 * serverCpuS) / seconds))} %`,
    short(over(full, microsecondsOf)),
    `${short(over(full, ({ loadCpuS, seconds }) => (100 * loadCpuS) / seconds))} %`,
    idleBytes === undefined ? '' : `${short(idleBytes / 1024)} KiB`,
  ])
  const heads = [
    '',
    'ack/s',
    'tiwang ÷ it',
    'p50 ms',
    'p99 ms',
    'p99 ms at half',
    'CPU',
    'µs CPU/msg',
    'CPU of load',
    'RAM/idle conn',
  ]
  print(`\nMedians\n${table(heads, rows)}\n`)
  for (const name of figures.keys()) print(`  ${name.padEnd(14)}${CONTENDERS[name]}`)
}

/** Compares with the targets; a contender that did not run has none. */
function judge(figures: ReadonlyMap<ContenderName, Figures>): boolean {
  const own = figures.get('tiwang')
  if (own === undefined) return true
  let isMet = true
  const check = (what: string, ratio: number, target: number, isMost = false): void => {
    if (!Number.isFinite(ratio)) return
    const ok = isMost ? ratio <= target : ratio >= target
    if (!ok) isMet = false
    print(`${ok ? 'met   ' : 'MISSED'}  ${what}: ${short(ratio)} (target ${isMost ? '≤' : '≥'} ${target})`)
  }
  const ratio = (name: ContenderName) => over(own.full, rateOf) / over(figures.get(name)?.full ?? [], rateOf)
  print()
  check('rate ÷ Aedes with a subscriber', ratio('aedes+reader'), 1)
  check('rate ÷ Aedes that throws away', ratio('aedes'), 0.9)
  check('rate ÷ Mosquitto with persistence', ratio('mosquitto'), 0.6)
  check(
    'p99 at half the top rate, ms',
    over(own.half, (answer) => answer.p99Ms),
    100,
    true,
  )
  check('RAM per idle connection ÷ Aedes', (own.idleBytes ?? NaN) / (figures.get('aedes')?.idleBytes ?? NaN), 1.5, true)
  return isMet
}
