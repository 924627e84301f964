import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CHECKS } from '#simulator/conformance/checks'
import { wallClock } from '#simulator/conformance/clock'
import { readSigned } from '#simulator/conformance/report'
import { WishError } from '#simulator/commands/options'
import { HELP, readWishes } from '#simulator/conformance/wishes'
import { tempFolder } from '../../servers/temp-folder.ts'
import { FakeTerminal } from './fake-terminal.ts'
import { LIFT, TERMINAL } from './kit-run.ts'

const root = new URL('../../..', import.meta.url).pathname

/** The program as people start it. `onText` hears all that it has printed so far. */
function conformance(args: readonly string[], onText: (text: string, stop: () => void) => void = () => {}) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'simulator/conformance/main.ts', ...args], { cwd: root })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      onText(out, () => child.kill('SIGINT'))
    })
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

describe('the command line of the conformance kit', () => {
  it('refuses what it does not understand with a sentence', () => {
    const subject = ['--lift', LIFT, '--terminal', TERMINAL]
    const wrong = [
      [],
      ['--lift', LIFT],
      ['--lift', 'NOT A LIFT', '--terminal', TERMINAL],
      ['--lift', LIFT, '--terminal', 'x'],
      [...subject, '--port', '70000'],
      [...subject, '--minutes', '0'],
      [...subject, '--outage', 'long'],
      [...subject, '--language', 'fr'],
      [...subject, '--tls-cert', 'a.pem'],
      [...subject, '--public-key', 'abc'],
      [...subject, '--unheard-of'],
      ['prove', 'report.json'],
      ['verify'],
      ['verify', 'a.json', 'b.json'],
    ]
    for (const args of wrong) expect(() => readWishes(args), args.join(' ')).toThrow(WishError)
  })

  it('reads what it understands', () => {
    expect(readWishes(['--help'])).toBeUndefined()
    for (const option of ['--lift', '--terminal', '--report', '--quick', 'verify']) expect(HELP).toContain(option)
    expect(
      readWishes(['--lift', LIFT, '--terminal', TERMINAL, '--quick', '--minutes', '2', '--restart', '--port', '0']),
    ).toMatchObject({
      task: 'test',
      subject: { lift: LIFT, terminal: TERMINAL },
      port: 0,
      timings: { observeMs: 120_000, outageMs: 30_000, restartMs: 600_000 },
      language: 'zh',
    })
    expect(readWishes(['verify', 'a.json', '--language', 'en'])).toMatchObject({ task: 'verify', path: 'a.json' })
  })

  it('stopped by Ctrl-C it signs what it saw as incomplete, and verifies it', async () => {
    await using folder = await tempFolder('conformance')
    const at = (name: string) => join(folder.path, name)
    let fake: FakeTerminal | undefined
    let gone: Promise<void> | undefined
    let isStopped = false
    const files = ['--report', at('report.json'), '--transcript', at('transcript.jsonl'), '--key-folder', at('keys')]
    const args = [
      '--lift',
      LIFT,
      '--terminal',
      TERMINAL,
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--language',
      'en',
      ...files,
    ]
    const run = await conformance(args, (text, stop) => {
      const port = Number(/mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1] ?? 0)
      if (port > 0 && fake === undefined) {
        fake = new FakeTerminal({ port, clock: wallClock, lift: LIFT, serial: TERMINAL, flaws: {} })
        gone = fake.run()
      }
      if (!isStopped && text.includes('observing')) {
        isStopped = true
        stop()
      }
    })
    fake?.stop()
    await gone
    expect(run).toMatchObject({ code: 3, err: '' })
    expect(run.out).toContain('Outcome: INCOMPLETE (the run was stopped)')
    const file = await readFile(at('report.json'))
    expect(readSigned(file)).toMatchObject({
      ok: true,
      signed: { report: { outcome: 'incomplete', unfinished: 'stopped', terminal: TERMINAL } },
    })
    const verified = await conformance([
      'verify',
      at('report.json'),
      '--transcript',
      at('transcript.jsonl'),
      '--language',
      'en',
    ])
    expect(verified).toMatchObject({ code: 0, err: '' })
    expect(verified.out).toContain('the signature is good')
    const foreign = await conformance(['verify', at('report.json'), '--transcript', at('report.json')])
    expect(foreign.code).toBe(1)
    expect(await conformance(['verify', at('none.json')])).toMatchObject({ code: 2 })
  }, 90_000)
})

describe('what the kit cannot use', () => {
  const subject = ['--lift', LIFT, '--terminal', TERMINAL, '--host', '127.0.0.1']

  it('is told in a sentence, and the program ends with 2', async () => {
    await using folder = await tempFolder('conformance')
    const at = (name: string) => join(folder.path, name)
    const keys = ['--key-folder', at('keys')]
    await writeFile(at('bad.pem'), 'no certificate')
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo // it listens on TCP
    const wrong: [readonly string[], RegExp][] = [
      [['--port', String(port)], /^cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)\.\n$/],
      [['--port', '0', '--tls-cert', at('bad.pem'), '--tls-key', at('bad.pem')], /^--tls-cert .* cannot be used .*\n$/],
      [['--port', '0', '--host', 'nosuch.invalid'], /^cannot listen on nosuch\.invalid:0 \(.*\)\.\n$/],
      [['--port', '0', '--report', at('none/report.json')], /^--report .* cannot be written \(ENOENT\)\.\n$/],
      [['--port', '0', '--transcript', '/dev/full'], /^--transcript \/dev\/full: cannot be written \(ENOSPC\).*\n$/],
    ]
    for (const [args, sentence] of wrong) {
      const run = await conformance([...subject, ...keys, ...args])
      expect(run, args.join(' ')).toMatchObject({ code: 2, err: expect.stringMatching(sentence) as string })
    }
    taken.close()
  }, 90_000)
})

describe('the page about the kit', () => {
  it('names every check and every option', async () => {
    const page = await readFile(join(root, 'docs/conformance.md'), 'utf8')
    const levels = { must: '必须', should: '建议', info: '说明' } as const
    const rows = CHECKS.map(
      ({ id, zh, en, severity, clause }) => `| \`${id}\` | ${zh} | ${en} | ${levels[severity]} | ${clause} |`,
    )
    expect(page.split('\n').filter((line) => /^\| `[a-z]+\.[a-zA-Z]+` \|/.test(line))).toEqual(rows)
    for (const [option] of HELP.matchAll(/--[a-z-]+/g)) expect(page).toContain(option)
  })
})
