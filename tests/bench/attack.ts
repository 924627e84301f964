/**
 * `npm run bench -- attack`: what hostile devices cost the broker and the honest terminals beside them. The broker is alone
 * on its core; the honest terminals and the attackers share the other, the attackers with the lowest priority.
 */
import { parseArgs } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { ATTACKS, type AttackAnswer, type AttackName } from './attacks.ts'
import { LOAD_CORE, startPinned, type BenchProcess } from './child-process.ts'
import { print, short, table } from './figures.ts'
import { megabytes, startGuardedBroker, watchMemory, type GuardedBroker } from './guarded-broker.ts'
import type { RunAnswer } from './load.ts'
import type { Benchmark } from './main.ts'

const HONEST = 200
const HONEST_RATE = 200
const TERMINALS = 6_000
const BEFORE_MS = 5_000
const GONE_MS_MAX = 20_000
/** The honest terminals are measured for a second less than the attack lasts. */
const SECONDS_MIN = 2
/** The honest terminals' p99 may grow so much, and is never asked to be better than a busy machine's own jitter, ms. */
const FACTOR_MAX = 2
const P99_FLOOR_MS = 5
const GROWTH_BYTES_MAX = 150e6

const isAttack = (name: string): name is AttackName => Object.hasOwn(ATTACKS, name)

export const attack: Benchmark = {
  summary: 'hostile devices: memory of the broker, and p99 of honest terminals before and during',
  options: `[--only NAME,…] [--seconds 10]; names: ${Object.keys(ATTACKS).join(' ')}`,
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { only: { type: 'string' }, seconds: { type: 'string', default: '10' } },
    })
    const names = values.only?.split(',') ?? Object.keys(ATTACKS)
    const unknown = names.find((name) => !isAttack(name))
    if (unknown !== undefined) throw new Error(`there is no attack “${unknown}”`)
    const seconds = Number(values.seconds)
    if (!(seconds >= SECONDS_MIN)) throw new Error(`--seconds is a number from ${SECONDS_MIN}`)
    return runAttacks(names.filter(isAttack), seconds * 1_000)
  },
}

type Row = { readonly cells: readonly string[]; readonly isGood: boolean }

async function runAttacks(names: readonly AttackName[], attackMs: number): Promise<boolean> {
  const rows: Row[] = []
  for (const name of names) {
    // A broker of its own for each: what one attack leaves behind is not another's.
    await using broker = await startGuardedBroker({ terminalCount: TERMINALS, isFuzz: false })
    await using honest = startPinned('./load-process.ts', { core: LOAD_CORE })
    await using attackers = startPinned('./attack-process.ts', { core: LOAD_CORE })
    const row = await runAttack(name, { broker, honest, attackers, attackMs })
    rows.push(row)
    print(`${name}: ${ATTACKS[name].what}\n  ${row.cells.slice(1).join(' · ')}`)
  }
  print()
  const heads = [
    'attack',
    'RSS before MB',
    'max MB',
    'p99 before ms',
    'during ms',
    'late before ms',
    'late during ms',
    'lost',
    'opened',
    'ended',
    'sent MB',
    'gone after s',
    'refused',
  ]
  print(
    table(
      heads,
      rows.map(({ cells }) => cells),
    ),
  )
  print(
    `\n${HONEST} honest terminals, ${HONEST_RATE} publications a second in all; “before” is the same load without the attack. “late”: the broker's own delay, 99 % are below; the rest of p99 is the core that the honest terminals share with the attackers.`,
  )
  return rows.every(({ isGood }) => isGood)
}

async function runAttack(
  name: AttackName,
  o: { broker: GuardedBroker; honest: BenchProcess; attackers: BenchProcess; attackMs: number },
): Promise<Row> {
  const { broker, honest, attackers } = o
  const { port } = await broker.state()
  await honest.ask({ do: 'connect', port, first: 0, count: HONEST, atOnce: 10, inFlight: 1 })
  const publish = (warmUpMs: number, measureMs: number) =>
    honest.ask<RunAnswer>({
      ...{ do: 'run', publishers: HONEST, rate: HONEST_RATE },
      ...{ warmUpMs, measureMs, serverPid: broker.process.pid },
    })
  await publish(500, 2_000)
  await broker.state()
  const before = await publish(500, BEFORE_MS)
  const descriptorCount = broker.descriptorCount()
  const { refusals: refusedBefore, lateP99Ms: lateBeforeMs } = await broker.collected()
  const memory = watchMemory(broker.process.pid)
  const rssBefore = memory.maxBytes()
  const [during, answer] = await Promise.all([
    publish(500, o.attackMs - 1_000),
    attackers.ask<AttackAnswer>({ name, port, attackMs: o.attackMs, first: 1_000 }),
  ])
  const { lateP99Ms } = await broker.state()
  const maxBytes = memory.maxBytes()
  memory.stop()
  const goneMs = await untilGone(broker, descriptorCount)
  const { refusals, faultCount } = await broker.state()
  const refused = Object.entries(refusals)
    .map(([code, count]) => [code.replace('admission.', ''), count - (refusedBefore[code] ?? 0)] as const)
    .filter(([, count]) => count > 0)
  const p99Max = Math.max(P99_FLOOR_MS, FACTOR_MAX * before.p99Ms)
  return {
    isGood:
      during.p99Ms <= p99Max &&
      during.lostCount === 0 &&
      faultCount === 0 &&
      goneMs < GONE_MS_MAX &&
      maxBytes - rssBefore <= GROWTH_BYTES_MAX,
    cells: [
      name,
      megabytes(rssBefore),
      megabytes(maxBytes),
      short(before.p99Ms),
      short(during.p99Ms),
      short(lateBeforeMs),
      short(lateP99Ms),
      String(during.lostCount),
      String(answer.openedCount),
      String(answer.endedCount),
      megabytes(answer.sentBytes),
      goneMs < GONE_MS_MAX ? short(goneMs / 1_000) : 'never',
      refused.map(([code, count]) => `${code} ${count}`).join(', '),
    ],
  }
}

/** How long until the attackers' connections are gone from the broker, ms, after they hung up. */
async function untilGone(broker: GuardedBroker, descriptorCount: number): Promise<number> {
  const beganAtMs = performance.now()
  while (broker.descriptorCount() > descriptorCount + 2) {
    if (performance.now() - beganAtMs > GONE_MS_MAX) return GONE_MS_MAX
    await pause(20)
  }
  return performance.now() - beganAtMs
}
