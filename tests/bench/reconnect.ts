/**
 * A whole town comes back at once: first because all links broke, then because the broker was killed and has to prove every
 * secret anew. The terminals are in a PostgreSQL register, so that admission is the real one.
 */
import { parseArgs } from 'node:util'
import { silentLog } from '#contract/log-events'
import { openJournal } from '#storage/journal/journal'
import { openRegister } from '#storage/register/register'
import { hashTerminalSecret } from '#storage/register/secrets'
import { freePort } from '../servers/free-port.ts'
import { startPostgres } from '../servers/postgres.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { lift } from '../storage/register-rows.ts'
import { LOAD_CORE, SERVER_CORE, startPinned, type BenchProcess } from './child-process.ts'
import { liftOf, SECRET, serialOf } from './fleet.ts'
import { print, short, table } from './figures.ts'
import type { Benchmark } from './main.ts'
import type { BackAnswer } from './returning-terminals.ts'

const BACK_S_MAX = 60

export const reconnect: Benchmark = {
  summary: '10 000 terminals come back at once with what they kept; nothing acknowledged is lost',
  options: '[--terminals 10000] [--quick]',
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { terminals: { type: 'string', default: '10000' }, quick: { type: 'boolean', default: false } },
    })
    const count = values.quick ? 1_000 : Number(values.terminals)
    await using postgres = await startPostgres()
    await using folder = await tempFolder('bench-reconnect')
    const registerUrl = await postgres.newDatabase()
    await seed(registerUrl, count)
    const port = await freePort()
    const brokerArgs = [folder.path, '0', String(count + 1000), registerUrl, String(port)]
    const startBroker = () => startPinned('./broker-process.ts', { core: SERVER_CORE, args: brokerArgs })

    await using load = startPinned('./returning-process.ts', { core: LOAD_CORE })
    const rows: string[][] = []
    let isMet = true
    const step = async (what: string, doing: 'come' | 'break'): Promise<void> => {
      const answer = await load.ask<BackAnswer>({ do: doing, port, count })
      if (!(answer.backS <= BACK_S_MAX)) isMet = false
      rows.push([
        what,
        String(answer.backCount),
        short(answer.backS),
        String(answer.triedCount),
        String(answer.sentAgainCount),
      ])
      print(`  ${what}: ${answer.backCount} back in ${short(answer.backS)} s`)
    }
    const kept = await withBroker(startBroker, load, step, folder.path)
    if (kept.lostCount > 0) isMet = false
    print(`\n${table(['', 'back', 's until all are back', 'CONNECTs', 'sent again'], rows)}\n`)
    print(`${kept.acknowledgedCount} acknowledged, ${kept.lostCount} of them not in the journal`)
    print(`${isMet ? 'met   ' : 'MISSED'}  all back within ${BACK_S_MAX} s, 0 acknowledged lost`)
    return isMet
  },
}

async function seed(registerUrl: string, count: number): Promise<void> {
  await using register = await openRegister(registerUrl, { log: silentLog })
  const secretHash = await hashTerminalSecret(SECRET)
  const numbers = Array.from({ length: count }, (_, number) => number)
  await register.lifts.put(numbers.map((number) => lift(liftOf(number))))
  await register.terminals.put(
    numbers.map((number) => ({
      serial: serialOf(number),
      lift: liftOf(number),
      boundAtMs: 0,
      revokedAtMs: null,
      secretHash,
    })),
  )
}

async function withBroker(
  startBroker: () => BenchProcess,
  load: BenchProcess,
  step: (what: string, doing: 'come' | 'break') => Promise<void>,
  journalFolder: string,
): Promise<{ acknowledgedCount: number; lostCount: number }> {
  await using first = startBroker()
  await first.ask({})
  await step('first time, every secret is verified', 'come')
  await step('all links break at once, the broker knows them', 'break')
  await first.kill()
  await using second = startBroker()
  await second.ask({})
  await step('the broker was killed and started again', 'come')
  const { acknowledged } = await load.ask<{ acknowledged: string[] }>({ do: 'finish' })
  await second[Symbol.asyncDispose]() // lets go of the journal
  return { acknowledgedCount: acknowledged.length, lostCount: await countLost(journalFolder, acknowledged) }
}

async function countLost(folder: string, acknowledged: readonly string[]): Promise<number> {
  await using journal = await openJournal(`file:${folder}`, { log: silentLog })
  await using reader = await journal.reader('detect', { after: 0 })
  const kept = new Set<string>()
  const { lastPosition } = journal.status()
  for (let position = 0; position < lastPosition;) {
    const records = await reader.read({ countMax: 10_000, waitMs: 5_000 })
    if (records.length === 0) break
    for (const { terminal, payload } of records) kept.add(`${terminal} ${seqOf(payload)}`)
    position = records.at(-1)?.position ?? lastPosition
  }
  return acknowledged.filter((key) => !kept.has(key)).length
}

const seqOf = (payload: Uint8Array): string => /"seq":(\d+)/.exec(Buffer.from(payload).toString())?.[1] ?? ''
