/** 20 000 connections on one machine, while some of the terminals speak. Descriptors per process bound each side. */
import { parseArgs } from 'node:util'
import { AsyncDisposables } from '../platform/disposables.ts'
import { LOAD_CORE, residentBytes, startPinned, type BenchProcess } from './child-process.ts'
import { startContender, type Contender } from './contenders.ts'
import { print, short, table } from './figures.ts'
import type { RunAnswer } from './load.ts'
import type { Benchmark } from './main.ts'

const P99_MS_MAX = 100
const CONNECTING_AT_ONCE = 100

export const connections: Benchmark = {
  summary: 'holds 20 000 connections while honest terminals publish',
  options: '[--brokers 2] [--each 10000] [--speaking 1000] [--rate 1000] [--seconds 20] [--quick]',
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        brokers: { type: 'string', default: '2' },
        each: { type: 'string', default: '10000' },
        speaking: { type: 'string', default: '1000' },
        rate: { type: 'string', default: '1000' },
        seconds: { type: 'string', default: '20' },
        quick: { type: 'boolean', default: false },
      },
    })
    const each = values.quick ? 1000 : Number(values.each)
    const town = { each, speaking: Number(values.speaking), rate: Number(values.rate) }
    const seconds = values.quick ? 5 : Number(values.seconds)
    await using all = new AsyncDisposables()
    const houses: House[] = []
    for (let index = 0; index < Number(values.brokers); index += 1) houses.push(await openHouse(all, each))
    print(`${houses.length} broker processes; the figures below are while ${town.rate}/s are published to each`)
    const answers = await Promise.all(
      houses.map(({ load, contender }) =>
        load.ask<RunAnswer>({
          do: 'run',
          publishers: town.speaking,
          warmUpMs: 2_000,
          measureMs: seconds * 1000,
          rate: town.rate,
          serverPid: contender.process.pid,
        }),
      ),
    )
    // Awaited: what is used here ends with this function.
    return await report(houses, answers, each)
  },
}

type House = { contender: Contender; load: BenchProcess; connectS: number; idleBytes: number }

async function openHouse(all: AsyncDisposables, count: number): Promise<House> {
  const contender = all.add(await startContender('tiwang', { terminalCount: count }))
  const load = all.add(startPinned('./load-process.ts', { core: LOAD_CORE }))
  await contender.process.ask({})
  const before = residentBytes(contender.process.pid)
  const question = { do: 'connect', port: contender.port, first: 0, count, atOnce: CONNECTING_AT_ONCE, inFlight: 1 }
  const { ms } = await load.ask<{ ms: number }>(question)
  await contender.process.ask({}) // collects garbage before it answers
  return { contender, load, connectS: ms / 1000, idleBytes: residentBytes(contender.process.pid) - before }
}

async function report(houses: readonly House[], answers: readonly RunAnswer[], each: number): Promise<boolean> {
  let isMet = true
  const rows: string[][] = []
  for (const [index, { contender, connectS, idleBytes }] of houses.entries()) {
    const { connectedCount } = await contender.process.ask<{ connectedCount: number }>({})
    const answer = answers[index]
    if (answer === undefined) throw new Error('a broker was not measured')
    if (connectedCount !== each || answer.lostCount > 0 || !(answer.p99Ms <= P99_MS_MAX)) isMet = false
    rows.push([
      `broker ${index + 1}`,
      String(connectedCount),
      short(connectS),
      `${short(residentBytes(contender.process.pid) / 2 ** 20)} MiB`,
      `${short(idleBytes / each / 1024)} KiB`,
      short(answer.acknowledgedCount / answer.seconds),
      short(answer.p50Ms),
      short(answer.p99Ms),
      `${short((100 * answer.serverCpuS) / answer.seconds)} %`,
    ])
  }
  const heads = ['', 'held', 'connected in s', 'RAM', 'RAM/conn', 'ack/s', 'p50 ms', 'p99 ms', 'CPU']
  print(`\n${table(heads, rows)}\n`)
  print(`${isMet ? 'met   ' : 'MISSED'}  all are held, none is lost, p99 ≤ ${P99_MS_MAX} ms`)
  return isMet
}
