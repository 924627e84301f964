/** How fast the load of `npm run simulate -- load` can be, what it costs, and how many sessions it holds. */
import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startLoad, type Load, type LoadStatus } from '#simulator/load/load'
import { cpuSeconds, LOAD_CORE, residentBytes, SERVER_CORE, startPinned } from './child-process.ts'
import { startContender } from './contenders.ts'
import { print, short, table } from './figures.ts'
import { terminalsOf } from './fleet.ts'
import type { Benchmark } from './main.ts'

const WARM_UP_MS = 2_000
const CONNECT_RATE = 5_000
const CONNECT_MS_MAX = 120_000
/** How much of what a message costs, load and broker together, may be the load's. */
const SHARE_MAX = 0.5
/** A terminal says something so often while many are held, s. */
const HELD_EVERY_S = 10

type Server = AsyncDisposable & { readonly port: number; readonly pids: readonly number[] }
type Row = { readonly cells: readonly string[]; readonly share: number; readonly perSecond: number }

export const loadCeiling: Benchmark = {
  summary: 'the ceiling of `simulate -- load`: against a server that only answers, and against this broker',
  options: '[--publishers 1000] [--in-flight 1,10] [--seconds 5] [--sessions 20000] [--quick]',
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        publishers: { type: 'string', default: '1000' },
        'in-flight': { type: 'string', default: '1,10' },
        seconds: { type: 'string' },
        sessions: { type: 'string' },
        quick: { type: 'boolean', default: false },
      },
    })
    const seconds = Number(values.seconds ?? (values.quick ? 2 : 5))
    const publishers = Number(values.publishers)
    const sessionCount = Number(values.sessions ?? (values.quick ? 2_000 : 20_000))
    const rows: Row[] = []
    for (const inFlight of values['in-flight'].split(',').map(Number))
      for (const [name, start] of [
        ['echo', () => startEcho(1)],
        ['tiwang', () => startTiwang(publishers)],
      ] as const) {
        await using server = await start()
        rows.push(await measure(server, { name: `${name}, ${inFlight} in flight`, publishers, inFlight, seconds }))
      }
    report(rows, publishers)
    // A row of the echo server has no share: its broker does nothing.
    const ofBroker = rows.filter(({ share }) => share > 0)
    const isCheap = ofBroker.length > 0 && ofBroker.every(({ share }) => share <= SHARE_MAX)
    print(`${isCheap ? 'met   ' : 'MISSED'}  the load's share of a message's CPU is at most ${100 * SHARE_MAX} %\n`)
    const isHeld = sessionCount === 0 || (await hold(sessionCount, seconds))
    return isCheap && isHeld
  },
}

async function startEcho(workerCount: number): Promise<Server> {
  const process = startPinned('./echo-process.ts', { core: SERVER_CORE, args: [String(workerCount)] })
  const { port, pids } = await process.ask<{ port: number; pids: number[] }>({})
  return { port, pids, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() }
}

async function startTiwang(terminalCount: number): Promise<Server> {
  const contender = await startContender('tiwang', { terminalCount })
  const { port, process } = contender
  return { port, pids: [process.pid], [Symbol.asyncDispose]: () => contender[Symbol.asyncDispose]() }
}

/** One load process on its core against one server on the other, as fast as acknowledged. */
async function measure(
  server: Server,
  o: { name: string; publishers: number; inFlight: number; seconds: number },
): Promise<Row> {
  await using load = await startLoad({
    brokerUrl: `mqtt://127.0.0.1:${server.port}`,
    sessions: terminalsOf(0, o.publishers),
    ...{ rate: 0, inFlight: o.inFlight, connectRate: CONNECT_RATE, processCount: 1 },
  })
  pin(load)
  await untilHeld(load, o.publishers)
  load.speak('max')
  await pause(WARM_UP_MS)
  const before = await stateOf(load, server)
  await pause(o.seconds * 1_000)
  const after = await stateOf(load, server)
  const acknowledged = after.status.acknowledgedCount - before.status.acknowledgedCount
  const spanS = (after.atMs - before.atMs) / 1_000
  const loadS = after.status.cpuS - before.status.cpuS
  const serverS = after.serverCpuS - before.serverCpuS
  const latencies = after.status.latencies.since(before.status.latencies)
  const share = o.name.startsWith('echo') ? 0 : loadS / (loadS + serverS)
  return {
    share,
    perSecond: acknowledged / spanS,
    cells: [
      o.name,
      short(acknowledged / spanS),
      short((loadS * 1e6) / acknowledged),
      short(acknowledged / loadS),
      `${short((100 * loadS) / spanS)} %`,
      short((serverS * 1e6) / acknowledged),
      `${short((100 * serverS) / spanS)} %`,
      share === 0 ? '' : `${short(100 * share)} %`,
      short(latencies.quantileMs(0.5)),
      short(latencies.quantileMs(0.99)),
      String(after.status.lostCount),
    ],
  }
}

async function stateOf(load: Load, server: Server): Promise<{ status: LoadStatus; serverCpuS: number; atMs: number }> {
  const status = await load.freshStatus()
  const serverCpuS = server.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  return { status, serverCpuS, atMs: performance.now() }
}

function report(rows: readonly Row[], publishers: number): void {
  const heads = [
    '',
    'ack/s',
    'µs load',
    'ack/s per core',
    'CPU load',
    'µs server',
    'CPU server',
    'share',
    'p50 ms',
    'p99 ms',
    'lost',
  ]
  print(
    `QoS 1, ${publishers} publishers in one load process, 250 bytes, as fast as acknowledged; µs of CPU per message\n`,
  )
  print(
    table(
      heads,
      rows.map(({ cells }) => cells),
    ),
  )
  print()
}

/** Holds as many as are asked for through one address, as the command does by itself, while each speaks now and then. */
async function hold(sessionCount: number, seconds: number): Promise<boolean> {
  await using server = await startEcho(2)
  const beganAtMs = performance.now()
  await using load = await startLoad({
    brokerUrl: `mqtt://127.0.0.1:${server.port}`,
    sessions: terminalsOf(0, sessionCount),
    ...{ rate: sessionCount / HELD_EVERY_S, connectRate: CONNECT_RATE },
  })
  const emptyBytes = bytesOf(load)
  pin(load)
  const isHeld = await untilHeld(load, sessionCount).then(
    () => true,
    () => false,
  )
  const connectS = (performance.now() - beganAtMs) / 1_000
  const before = await stateOf(load, server)
  await pause(seconds * 1_000)
  const after = await stateOf(load, server)
  const { heldCount, lostCount, latencies } = after.status
  const spanS = (after.atMs - before.atMs) / 1_000
  print(
    [
      `${heldCount} of ${sessionCount} sessions held by ${load.pids.length} processes, connected in ${short(connectS)} s`,
      `each says something every ${HELD_EVERY_S} s`,
      `${short((after.status.acknowledgedCount - before.status.acknowledgedCount) / spanS)} acknowledged a second`,
      `p99 ${short(latencies.since(before.status.latencies).quantileMs(0.99))} ms`,
      `CPU of the load ${short((100 * (after.status.cpuS - before.status.cpuS)) / spanS)} %`,
      `RAM ${short((bytesOf(load) - emptyBytes) / sessionCount / 1024)} KiB a session`,
      `lost ${lostCount}`,
    ].join(', '),
  )
  const isMet = isHeld && heldCount === sessionCount && lostCount === 0
  print(`${isMet ? 'met   ' : 'MISSED'}  all are held and none is lost`)
  return isMet
}

const bytesOf = (load: Load): number => load.pids.reduce((sum, pid) => sum + residentBytes(pid), 0)

function pin(load: Load): void {
  for (const pid of load.pids) spawnSync('taskset', ['-a', '-p', '-c', String(LOAD_CORE), String(pid)])
}

async function untilHeld(load: Load, count: number): Promise<void> {
  const untilMs = performance.now() + CONNECT_MS_MAX
  while (load.status().heldCount < count) {
    if (performance.now() > untilMs)
      throw new Error(`only ${load.status().heldCount} connected: ${JSON.stringify(load.status().losses)}`)
    await pause(50)
  }
}
