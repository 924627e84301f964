import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { WishError } from '#simulator/commands/options'
import { LOAD_HELP, readLoadWishes } from '#simulator/load/load-command-line'
import { connack, PACKET, puback } from '#simulator/load/packets'
import { writeCredentials } from '#simulator/terminal/credentials'
import { generateTown } from '#simulator/town/town'
import { brokerUnderTest, SECRET, TerminalTable, terminalRow } from '../../broker/broker-under-test.ts'
import { Authority, CertificateFolder } from '../../broker/certificate-files.ts'
import { tempFolder } from '../../servers/temp-folder.ts'
import { PlainBroker, until } from '../terminal/plain-broker.ts'
import { RawBroker } from './raw-broker.ts'

const root = new URL('../../..', import.meta.url).pathname

/** Starts `npm run simulate -- load …`. */
function load(...args: string[]) {
  return loadWith({}, ...args)
}
function loadWith(env: Record<string, string>, ...args: string[]) {
  const node = ['--import', 'tsx', join(root, 'simulator/main.ts'), 'load', ...args]
  let out = ''
  let end: (ended: { code: number; out: string; err: string }) => void = () => {}
  const ended = new Promise<{ code: number; out: string; err: string }>((resolve) => (end = resolve))
  const child = execFile(
    process.execPath,
    node,
    { cwd: root, timeout: 50_000, env: { ...process.env, ...env } },
    (_error, stdout, err) => end({ code: child.exitCode ?? -1, out: stdout, err }),
  )
  child.stdout?.on('data', (text: string) => (out += text))
  return { ended, out: () => out, signal: (name: NodeJS.Signals) => void child.kill(name) }
}

async function townFile(folder: string, count: number) {
  const town = generateTown({ seed: 7, liftCount: count, boundAtMs: 0 })
  const terminals = town.terminals.map(({ serial, lift }) => ({ serial, lift, secret: `secret of ${serial}` }))
  const path = join(folder, 'terminals.json')
  await writeCredentials(path, { seed: 7, liftCount: count, terminals })
  return { path, terminals }
}

describe('the command line of the load', () => {
  it('refuses what it does not understand with a sentence', () => {
    const wrong = [
      ['--sessions', '20001'],
      ['--sessions', '0'],
      ['--sessions', '1.5'],
      ['--rate', 'fast'],
      ['--rate', '-1'],
      ['--in-flight', '0'],
      ['--connect-rate', '0'],
      ['--processes', '0'],
      ['--seconds', ''],
      ['--broker', 'ws://127.0.0.1'],
      ['--broker', 'mqtt://'],
      ['--unheard-of'],
      ['stray'],
    ]
    for (const args of wrong) expect(() => readLoadWishes(args), args.join(' ')).toThrow(WishError)
    expect(() => readLoadWishes(['--sessions', '20001'])).toThrow(
      '--sessions 20001: give a whole number from 1 to 20000.',
    )
  })

  it('reads what it understands', () => {
    expect(readLoadWishes(['--help'])).toBeUndefined()
    expect(LOAD_HELP).toContain('--in-flight')
    expect(readLoadWishes([])).toMatchObject({ sessionCount: 100, rate: undefined, inFlight: 1, runMs: Infinity })
    expect(readLoadWishes(['--credentials', 'x.json'])).toMatchObject({ sessionCount: undefined })
    expect(
      readLoadWishes([
        ...['--broker', 'mqtts://b', '--sessions', '9', '--rate', 'max', '--in-flight', '3'],
        ...['--connect-rate', '7', '--processes', '2', '--seconds', '5'],
      ]),
    ).toEqual({
      ...{ brokerUrl: 'mqtts://b', credentialsPath: undefined, sessionCount: 9, rate: 'max', inFlight: 3 },
      ...{ connectRate: 7, processCount: 2, runMs: 5_000 },
    })
  })

  it('ends with 2 and one sentence when it is asked for something wrong', async () => {
    const more = load('--sessions', '50000').ended
    expect(await more).toEqual({
      ...{ code: 2, out: '', err: '--sessions 50000: give a whole number from 1 to 20000.\n' },
    })
    const missing = await load('--credentials', '/nowhere/terminals.json').ended
    expect(missing).toMatchObject({ code: 2, out: '' })
    expect(missing.err).toContain('cannot be read (ENOENT)')
  }, 60_000)

  it('runs the terminals of a credentials file, says how it goes and sums up', async () => {
    await using broker = new PlainBroker()
    await using folder = await tempFolder('load')
    const { path, terminals } = await townFile(folder.path, 12)
    broker.secrets = new Map(terminals.map(({ serial, secret }) => [serial as string, secret]))
    await broker.start()
    const { code, out } = await load('--broker', broker.url, '--credentials', path, '--rate', '60', '--seconds', '8')
      .ended
    expect(out).toMatch(/^12 sessions in 1 processes, broker mqtt:.*, 60 messages a second$/m)
    expect(out).toMatch(/^held 12\/12 · sent \d+ · acknowledged \d+ · [\d.]+ per second · p99 [\d.]+ ms · /m)
    const sum =
      /sent (\d+), acknowledged (\d+) .*, unacknowledged 0, sent again 0, .* µs per acknowledged message/.exec(out)
    expect(sum?.[1]).toBe(String(broker.taken.length))
    expect(sum?.[2]).toBe(String(broker.taken.length))
    expect(broker.taken.length).toBeGreaterThan(60)
    expect(code).toBe(0)
  }, 60_000)

  it('goes through TLS to a broker whose certificate it trusts, and to no other', async () => {
    const authority = await Authority.found()
    const server = await authority.issue('CN=localhost', { usage: 'serverAuth' })
    await using temp = await tempFolder('load-tls')
    const folder = new CertificateFolder(temp.path, { withList: false })
    await folder.write({ certificate: server.cert, key: server.key, issuers: authority.certificate.toString('pem') })
    const [first] = (await townFile(temp.path, 1)).terminals
    if (first === undefined) throw new Error('a town of one lift has a terminal')
    const terminals = new TerminalTable().put(await terminalRow({ serial: first.serial, lift: first.lift }))
    await using under = await brokerUnderTest({ terminals, more: { tls: { port: 0, files: folder.files } } })
    const path = join(temp.path, 'one.json')
    await writeCredentials(path, { seed: 7, liftCount: 1, terminals: [{ ...first, secret: SECRET }] })
    const url = `mqtts://localhost:${new URL(under.broker.mqttTlsUrl ?? '').port}`
    const args = ['--broker', url, '--credentials', path, '--rate', 'max', '--seconds', '4']
    const trusting = await loadWith({ NODE_EXTRA_CA_CERTS: folder.files.issuers }, ...args).ended
    expect(trusting.out).toMatch(/held 1\/1, sent (\d+), acknowledged \1 .* unacknowledged 0, .* lost 0,/)
    expect(trusting.code).toBe(0)
    const doubting = await load(...args).ended
    expect(doubting.out).toMatch(/held 0\/1, sent 0, [^]*lost or not connected \d+: .*certificate/)
    expect(doubting.code).toBe(1)
  }, 60_000)

  it('stops by a signal: what is under way is acknowledged, and every session says goodbye', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      await using broker = await RawBroker.start(({ bytes }) =>
        bytes.readUInt8(0) >> 4 === PACKET.connect
          ? connack(0)
          : bytes.readUInt8(0) >> 4 === PACKET.publish
            ? puback(bytes.readUInt16BE(bytes.indexOf('/status') + 7))
            : undefined,
      )
      const run = load('--broker', `mqtt://127.0.0.1:${broker.port}`, '--sessions', '30', '--rate', 'max')
      const speaking = () => new Set(broker.ofKind(PACKET.publish).map(({ connection }) => connection))
      await until('all speak', () => speaking().size === 30, 30_000)
      run.signal(signal)
      const { code, out } = await run.ended
      expect(code).toBe(0)
      expect(out).toMatch(/held 30\/30, .* unacknowledged 0, /)
      expect(broker.ofKind(PACKET.disconnect)).toHaveLength(30)
    }
  }, 90_000)

  it('tells in words when everybody is refused, and ends with 1', async () => {
    await using broker = new PlainBroker()
    await using folder = await tempFolder('load')
    const { path } = await townFile(folder.path, 8)
    broker.secrets = new Map()
    await broker.start()
    const { code, out } = await load('--broker', broker.url, '--credentials', path).ended
    expect(code).toBe(1)
    expect(out).toMatch(/^refused 8: .*serial or secret.* \(CONNACK [45]\)$/m)
    expect(out.match(/refused/g)).toHaveLength(1)
    expect(out).toContain('no session could sign in')
    expect(broker.signIns).toHaveLength(8)
  }, 60_000)
})
