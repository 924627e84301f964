import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS, helpText, readCommand } from '#simulator/command-line'
import { WishError, type Desk } from '#simulator/commands/options'
import { readRecordWishes } from '#simulator/commands/record'
import { LIFT_FAULT_NAMES } from '#simulator/lift/faults'
import type { Truth } from '#simulator/lift/truth'
import { openRecording, writeRecording } from '#simulator/scenario/recording'
import { scenarioNames } from '#simulator/scenario/scenario-library'
import { writeCredentials } from '#simulator/terminal/credentials'
import { TERMINAL_FAULT_NAMES } from '#simulator/terminal/terminal-faults'
import { mapOf } from '#simulator/town/map'
import { generateTown } from '#simulator/town/town'
import { freePort } from '../servers/free-port.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { PlainBroker } from './terminal/plain-broker.ts'

const root = new URL('../..', import.meta.url).pathname

/** Runs a command in this process; nobody ever asks it to stop. */
async function run(name: string, ...args: string[]): Promise<{ code: number; out: string }> {
  let out = ''
  const desk: Desk = {
    print: (line) => void (out += line + '\n'),
    write: (text) => void (out += text),
    nowMs: Date.now,
    cpuS: () => 0,
    stopAsked: () => new Promise(() => {}),
    environment: () => undefined,
  }
  const command = COMMANDS[name]
  if (command === undefined) throw new Error(`there is a command ${name}`)
  return { code: await command.run(args, desk), out }
}

/** The program as people start it. */
const simulate = (...args: string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const node = ['--import', 'tsx', join(root, 'simulator/main.ts'), ...args]
    const child = execFile(process.execPath, node, { cwd: root, timeout: 60_000 }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

const terminalsOf = (seed: number, liftCount: number) =>
  generateTown({ seed, liftCount, boundAtMs: 0 }).terminals.map(({ serial, lift }) => ({
    serial,
    lift,
    secret: 'right',
  }))

/** A recording of two messages, and the credentials of two towns. */
async function smallRecording(folder: string) {
  const terminals = terminalsOf(7, 3)
  const at = (name: string) => join(folder, name)
  await writeCredentials(at('same.json'), { seed: 7, liftCount: 3, terminals })
  await writeCredentials(at('other.json'), { seed: 9, liftCount: 2, terminals: terminalsOf(9, 3).slice(1) })
  const [first, second] = terminals
  if (first === undefined || second === undefined) throw new Error('the town has terminals')
  const recorded = [first, second].map(({ serial, lift }) => ({ serial, lift }))
  const payload = '{"v":1,"boot":1,"seq":1,"sampledAtMs":5}'
  const messages = [0, 1].map((terminal) => ({ atMs: 5 + terminal, terminal, kind: 'status' as const, payload }))
  await writeRecording(at('town.rec'), { fromMs: 5, toMs: 6, terminals: recorded }, messages)
  return { at, terminals }
}

describe('the commands of the simulator', () => {
  it('are all told by --help, and each tells its own options', async () => {
    expect(readCommand(['--help'])).toBeUndefined()
    expect(readCommand([])).toMatchObject({ command: COMMANDS['run'], args: [] })
    expect(readCommand(['--lifts', '3'])).toMatchObject({ command: COMMANDS['run'], args: ['--lifts', '3'] })
    expect(readCommand(['map', '--lifts', '3'])).toMatchObject({ command: COMMANDS['map'], args: ['--lifts', '3'] })
    expect(() => readCommand(['fly'])).toThrow(WishError)
    for (const [name, { zh, help }] of Object.entries(COMMANDS)) {
      expect(helpText()).toContain(`  ${name.padEnd(4)}`)
      expect(helpText()).toContain(zh)
      expect(help).toContain('--help')
      expect(await run(name, '--help')).toEqual({ code: 0, out: help })
    }
  })

  it('refuse with a sentence what they do not understand', async () => {
    await using folder = await tempFolder('commands')
    const { at } = await smallRecording(folder.path)
    await writeFile(
      at('wrong.yaml'),
      'zh: 一\nen: one\nlasts: 1 min\nevents: [{ at: 1 s, fault: tsunami }]\nexpect: []\n',
    )
    const wrong = [
      ['run', '--link', 'string'],
      ['run', '--pattern', 'dead'],
      ['run', '--truth', at('none/truth.jsonl'), '--lifts', '1'],
      ['run', '--record', at('none/town.rec'), '--lifts', '1'],
      ['play'],
      ['play', 'no/such'],
      ['play', at('none.yaml')],
      ['play', at('wrong.yaml')],
      ['play', 'door/blocked', '--as-credentials'],
      ['replay'],
      ['replay', at('none.rec')],
      ['replay', at('same.json')],
      ['replay', at('town.rec'), '--speed', '0.01'],
      ['replay', at('town.rec'), '--broker', 'http://b'],
      ['replay', at('town.rec'), 'another'],
      ['record', '--user', 'a'],
      ['record', '--out', 'a'],
      ['record', '--user', 'a', '--out', 'a'],
      ['record', '--user', 'a', '--out', 'a', '--password-file', at('none')],
      ['record', '--user', 'a', '--out', 'a', '--password', 'secret'],
      ['scenarios', 'no/such'],
      ['faults', '--language', 'fr'],
      ['map', '--lifts', '0'],
      ['map', '--out', at('none/map.json')],
    ] as const
    for (const [name, ...args] of wrong)
      await expect(run(name, ...args), [name, ...args].join(' ')).rejects.toThrow(WishError)
    await expect(run('play', at('wrong.yaml'))).rejects.toThrow('tsunami')
  }, 60_000)

  it('list what there is: faults, scenarios, a map', async () => {
    const faults = await run('faults')
    for (const name of [...LIFT_FAULT_NAMES, ...TERMINAL_FAULT_NAMES]) expect(faults.out).toContain(` ${name} `)
    const asJson = JSON.parse((await run('faults', '--json')).out) as { lift: object[]; terminal: object[] }
    expect([asJson.lift.length, asJson.terminal.length]).toEqual([LIFT_FAULT_NAMES.length, TERMINAL_FAULT_NAMES.length])
    const scenarios = await run('scenarios')
    expect(scenarios.out.trimEnd().split('\n')).toHaveLength(scenarioNames().length + 1)
    expect((await run('scenarios', 'door/blocked')).out).toMatch(/^zh: /)
    const map = JSON.parse((await run('map', '--lifts', '20', '--seed', '3')).out) as object
    expect(map).toEqual(JSON.parse(JSON.stringify(mapOf(generateTown({ seed: 3, liftCount: 20, boundAtMs: 99 })))))
  })

  it('write a map into a file', async () => {
    await using folder = await tempFolder('map')
    const path = join(folder.path, 'town.geojson')
    expect(await run('map', '--lifts', '8', '--out', path)).toMatchObject({ code: 0 })
    expect(await readFile(path, 'utf8')).toBe((await run('map', '--lifts', '8')).out)
  })
})

describe('what record is asked for', () => {
  const nowMs = Date.parse('2026-03-04T10:00:00Z')
  const read = (...args: string[]) => readRecordWishes(['--user', 'a', '--out', 'b', ...args], nowMs)

  it('is the last hour of all lifts, or what it is told', () => {
    expect(read()).toMatchObject({ fromMs: nowMs - 3600_000, toMs: nowMs, lifts: undefined })
    expect(read('--minutes', '5', '--lift', 'yhy-1-1', '--lift', 'yhy-1-2')).toMatchObject({
      ...{ fromMs: nowMs - 300_000, toMs: nowMs, lifts: ['yhy-1-1', 'yhy-1-2'] },
    })
    expect(read('--from', '2026-03-04T08:00:00+08:00', '--to', '2026-03-04T01:00:00Z')).toMatchObject({
      ...{ fromMs: Date.parse('2026-03-04T00:00:00Z'), toMs: Date.parse('2026-03-04T01:00:00Z') },
    })
  })

  it('is refused when it makes no sense', () => {
    const wrong = [
      ['--from', 'yesterday'],
      ['--from', '2026-03-05T00:00:00Z'],
      ['--minutes', '5', '--from', '2026-03-04T00:00:00Z'],
      ['--lift', 'NOT A LIFT'],
      ['--api', 'mqtt://b'],
    ]
    for (const args of wrong) expect(() => read(...args), args.join(' ')).toThrow(WishError)
  })

  it('ends with 1 and a sentence when nobody answers', async () => {
    await using folder = await tempFolder('record')
    const password = join(folder.path, 'password')
    await writeFile(password, 'secret\n')
    const files = ['--password-file', password, '--out', join(folder.path, 'town.rec')]
    const ran = await simulate('record', '--user', 'a', '--api', `http://127.0.0.1:${await freePort()}`, ...files)
    expect(ran).toMatchObject({ code: 1, err: '' })
    expect(ran.out).toMatch(/^not recorded: http:.*ECONNREFUSED\.\n$/)
    expect(ran.out).not.toContain('secret')
  }, 90_000)
})

describe('the program', () => {
  it('runs a town over a bad link and keeps the truth and what was said', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using folder = await tempFolder('run')
    const [truth, record] = [join(folder.path, 'truth.jsonl'), join(folder.path, 'town.rec')]
    const files = ['--truth', truth, '--record', record, '--link', 'shaft', '--pattern', 'lively']
    const ran = await simulate('run', '--broker', broker.url, '--lifts', '6', '--minutes', '0.15', ...files)
    expect(ran).toMatchObject({ code: 0, err: '' })
    const truths = (await readFile(truth, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Truth)
    expect(new Set(truths.map(({ lift }) => lift)).size).toBe(6)
    for (const { arrivedCount, peopleWaiting, peopleInCar, deliveredCount, stairsCount } of truths)
      expect(arrivedCount).toBe(peopleWaiting + peopleInCar + deliveredCount + stairsCount)
    expect(ran.out).toContain(`truth: ${truths.length} lines`)
    const { head, messages } = await openRecording(record)
    expect(head.terminals).toHaveLength(6)
    const recorded: string[] = []
    for await (const { terminal, kind, payload } of messages)
      recorded.push(`lifts/v1/${head.terminals[terminal]?.lift}/${kind} ${payload}`)
    expect(ran.out).toContain(`recording: ${recorded.length} messages of 6 terminals`)
    const taken = new Set(broker.taken.map(({ topic, payload }) => `${topic} ${payload}`))
    expect(recorded.filter((line) => !taken.has(line))).toEqual([])
    expect(recorded.length).toBeGreaterThan(12)
  }, 60_000)

  it('replays only what its terminals may say, unless it is told to let others play them', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using folder = await tempFolder('replay')
    const { at } = await smallRecording(folder.path)
    const to = ['--broker', broker.url, '--speed', 'max']
    expect(await simulate('replay', at('town.rec'), ...to, '--credentials', at('other.json'))).toEqual({
      ...{ code: 2, out: '' },
      err: expect.stringMatching(/2 of the 2 terminals .* are not in it, such as .*--as-credentials/) as string,
    })
    const same = await simulate('replay', at('town.rec'), ...to, '--credentials', at('same.json'))
    expect(same).toMatchObject({ code: 0, err: '' })
    expect(same.out).toContain('acknowledged 2 of 2')
    broker.taken.length = 0
    const other = await run('replay', at('town.rec'), ...to, '--credentials', at('other.json'), '--as-credentials')
    expect(other.code).toBe(0)
    const lifts = terminalsOf(9, 3)
      .slice(1)
      .map(({ lift }) => `lifts/v1/${lift}/status`)
    expect(
      broker.taken
        .map(({ topic }) => topic)
        .filter((topic) => topic.endsWith('/status'))
        .sort(),
    ).toEqual(lifts.sort())
  }, 60_000)

  it('plays a scenario of the library and one of a file', async () => {
    await using broker = new PlainBroker()
    await broker.start()
    await using folder = await tempFolder('play')
    const path = join(folder.path, 'own.yaml')
    await writeFile(
      path,
      'zh: 关门受阻\nen: blocked\nlasts: 6 min\nterminals: controller\nevents: [{ at: 1 min, fault: door-blocked, for: 2 min }]\nexpect: []\n',
    )
    for (const name of ['door/blocked', path]) {
      broker.taken.length = 0
      const played = await run('play', name, '--broker', broker.url, '--speed', 'max')
      expect(played.code).toBe(0)
      expect(played.out).toMatch(/acknowledged (\d+) of \1 /)
      expect(
        broker.taken.some(({ topic, payload }) => topic.endsWith('/message') && payload.includes('"code":2,')),
      ).toBe(true)
    }
  }, 60_000)
})
