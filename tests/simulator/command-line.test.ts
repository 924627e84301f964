import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { WishError } from '#simulator/commands/options'
import { readRunWishes, RUN_HELP } from '#simulator/commands/run-options'
import { writeCredentials } from '#simulator/terminal/credentials'
import { SCENARIO_NAMES } from '#simulator/scenarios'
import { generateTown } from '#simulator/town/town'
import { freePort } from '../servers/free-port.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { PlainBroker } from './terminal/plain-broker.ts'

const root = new URL('../..', import.meta.url).pathname
const simulate = (...args: string[]) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const child = execFile(
      join(root, 'node_modules/.bin/tsx'),
      [join(root, 'simulator/main.ts'), ...args],
      { timeout: 40_000 },
      (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })

describe('the command line of the simulator', () => {
  it('refuses what it does not understand with a sentence', () => {
    const wrong = [
      ['--lifts', '0'],
      ['--lifts', 'many'],
      ['--lifts', '10001'],
      ['--speed', '0'],
      ['--seed', '1.5'],
      ['--broker', 'http://127.0.0.1'],
      ['--scenario', 'tsunami'],
      ['--lift', 'yhy-1-1'],
      ['--scenario', 'power-cut', '--lift', 'NOT A LIFT'],
      ['--minutes', ''],
      ['--unheard-of'],
      ['stray'],
    ]
    for (const args of wrong) expect(() => readRunWishes(args), args.join(' ')).toThrow(WishError)
  })

  it('reads what it understands, and its help names every scenario', () => {
    expect(readRunWishes(['--help'])).toBeUndefined()
    for (const name of SCENARIO_NAMES) expect(RUN_HELP).toContain(name)
    expect(
      readRunWishes([
        '--broker',
        'mqtt://b:1',
        '--lifts',
        '9',
        '--scenario',
        'power-cut',
        '--duration',
        '30',
        '--minutes',
        '2',
      ]),
    ).toEqual({
      brokerUrl: 'mqtt://b:1',
      credentialsPath: undefined,
      seed: undefined,
      liftCount: 9,
      speed: 1,
      pattern: 'lively',
      link: 'none',
      truthPath: undefined,
      recordPath: undefined,
      faultMinutes: 0,
      scenario: { name: 'power-cut', lift: undefined, durationMs: 30_000 },
      runMs: 120_000,
    })
  })

  it('runs the terminals of a credentials file, plays a scenario and tells what it did', async () => {
    await using broker = new PlainBroker()
    await using folder = await tempFolder('simulate')
    const town = generateTown({ seed: 7, liftCount: 12, boundAtMs: 0 })
    const terminals = town.terminals.map(({ serial, lift }) => ({ serial, lift, secret: `secret of ${serial}` }))
    broker.secrets = new Map(terminals.map(({ serial, secret }) => [serial as string, secret]))
    await broker.start()
    const path = join(folder.path, 'terminals.json')
    await writeCredentials(path, { seed: 7, liftCount: 12, terminals })
    const lift = terminals[3]?.lift ?? ''
    const { code, out } = await simulate(
      ...[
        '--broker',
        broker.url,
        '--credentials',
        path,
        '--lifts',
        '5',
        '--minutes',
        '0.1',
        '--scenario',
        'power-cut',
        '--lift',
        lift,
      ],
    )
    expect(out).toMatch(
      /after \d+\.\d s: connected 5\/5, published \d+, acknowledged \d+ .* unacknowledged 0, resent 0, dropped 0/,
    )
    expect(code).toBe(0)
    expect(
      broker.taken.some(({ topic, payload }) => topic === `lifts/v1/${lift}/message` && payload.includes('"code":41')),
    ).toBe(true)
  }, 60_000)

  it('says so and keeps trying while the broker is away, and ends with 1 when nobody ever came in', async () => {
    const { code, out } = await simulate(
      '--broker',
      `mqtt://127.0.0.1:${await freePort()}`,
      '--lifts',
      '3',
      '--minutes',
      '0.1',
    )
    expect(out).toContain('broker is away, trying again')
    expect(out).toContain('no terminal could connect')
    expect(code).toBe(1)
  }, 60_000)

  it('ends with 2 and one sentence when it is asked for something wrong', async () => {
    const { code, out, err } = await simulate('--lifts', 'many')
    expect({ code, out, err }).toEqual({
      code: 2,
      out: '',
      err: '--lifts many: give a whole number from 1 to 10000.\n',
    })
  }, 60_000)
})
