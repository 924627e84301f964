/** The device conformance kit as a program: `npm run conformance -- --help`. */
import { createHash, type KeyObject } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { wallClock } from './clock.ts'
import type { Fact } from './facts.ts'
import { runKit } from './kit.ts'
import { factLine, phaseLine, progressLine, reportLines, settingLines } from './print.ts'
import { buildReport, readSigned, writeSigned, type ReadReport } from './report.ts'
import { fingerprintOf, KeyError, openKey, publicKeyOf, readKey } from './signature.ts'
import { Transcript } from './transcript.ts'
import { reasonOf, WishError } from '../commands/options.ts'
import { HELP, readWishes, type TestWishes, type VerifyWishes } from './wishes.ts'
import { printable, type Language, type Words } from './words.ts'

const EXIT = { passed: 0, failed: 1, wrongUse: 2, incomplete: 3 } as const
const PROGRESS_MS = 15_000

const print = (line: string): void => void process.stdout.write(line + '\n')

async function test(wishes: TestWishes): Promise<number> {
  const { language, subject, timings } = wishes
  const key = await keyOf(wishes)
  const tls = wishes.tlsPaths === undefined ? undefined : await readTls(wishes.tlsPaths)
  await probeReport(wishes.reportPath)
  using transcript = openTranscript(wishes.transcriptPath)
  // A transcript that cannot be written any more ends the run: its report would name something that nobody has.
  const broken = new AbortController()
  const stop = AbortSignal.any([stopSignal(), broken.signal])
  using screen = new Screen(language)
  const run = await runKit({
    ...wishes,
    tls,
    clock: wallClock,
    transcript,
    stop,
    events: {
      onListening: (port) =>
        settingLines({
          subject,
          addresses: addressesOf(wishes.host),
          port,
          isTls: tls !== undefined,
          language,
        }).forEach(print),
      onPhase: (phase, lastsMs) => screen.phase(phaseLine(phase, lastsMs, language), lastsMs),
      onFact: (fact) => {
        screen.fact(fact)
        if (transcript.failure !== undefined) broken.abort()
      },
    },
  }).catch((error: unknown) => {
    throw listenFault(error, wishes) ?? error
  })
  if (transcript.failure !== undefined)
    throw new WishError(
      `--transcript ${wishes.transcriptPath}: cannot be written (${reasonOf(transcript.failure)}); the run was ended and there is no report.`,
    )
  const report = buildReport(run, timings, transcript.facts())
  reportLines(report, publicKeyOf(key), language).forEach(print)
  const { reportPath } = wishes
  if (reportPath !== undefined)
    await writeFile(reportPath, writeSigned(report, key)).catch((error: unknown) => {
      throw new WishError(`--report ${reportPath}: cannot be written (${reasonOf(error)}); the outcome is above.`)
    })
  return EXIT[report.outcome]
}

/** Finds out before a run of many minutes that its report could not be written. What the file holds stays until then. */
async function probeReport(path: string | undefined): Promise<void> {
  if (path === undefined) return
  try {
    const file = await open(path, 'a')
    await file.close()
  } catch (error) {
    throw new WishError(`--report ${path}: cannot be written (${reasonOf(error)}).`)
  }
}

/** What is wrong with the address, the port or the certificate; undefined for every other error. */
function listenFault(error: unknown, { host, port, tlsPaths }: TestWishes): WishError | undefined {
  const { syscall, code } = error instanceof Error ? (error as NodeJS.ErrnoException) : {} // errors of Node carry them
  if (tlsPaths !== undefined && code?.startsWith('ERR_OSSL') === true)
    return new WishError(`--tls-cert ${tlsPaths.cert}, --tls-key ${tlsPaths.key}: cannot be used (${code}).`)
  const isOurs = syscall === 'listen' || syscall === 'getaddrinfo'
  return isOurs ? new WishError(`cannot listen on ${host}:${port} (${reasonOf(error)}).`) : undefined
}

/** What moves on the screen while it runs. */
class Screen implements Disposable {
  readonly #language: Language
  #publishedCount = 0
  #refusedCount = 0
  #endsAtMs = 0
  readonly #timer: NodeJS.Timeout

  constructor(language: Language) {
    this.#language = language
    this.#timer = setInterval(() => {
      const leftMs = Math.max(0, this.#endsAtMs - Date.now())
      print(progressLine(this.#publishedCount, this.#refusedCount, leftMs, language))
    }, PROGRESS_MS)
  }

  phase(line: string, lastsMs: number): void {
    this.#endsAtMs = Date.now() + lastsMs
    print(line)
  }

  fact(fact: Fact): void {
    if (fact.what === 'publish') this.#publishedCount += 1
    if ((fact.what === 'attempt' && !fact.isTaken) || (fact.what === 'connect' && fact.returnCode !== 0))
      this.#refusedCount += 1
    const line = factLine(fact, this.#language)
    if (line !== undefined) print(line)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

async function keyOf({ keyPath, keyFolder, language }: TestWishes): Promise<KeyObject> {
  if (keyPath !== undefined) return readKey(keyPath)
  const { key, path, isNew } = await openKey(keyFolder).catch((error: unknown) => {
    if (error instanceof KeyError) throw error
    throw new WishError(`--key-folder ${keyFolder}: cannot be used (${reasonOf(error)}).`)
  })
  const publicKey = publicKeyOf(key)
  const made: Words = { zh: `已生成签名密钥 ${path}`, en: `made a signing key: ${path}` }
  const used: Words = { zh: `签名公钥 ${publicKey}`, en: `public key ${publicKey}` }
  if (isNew) print(made[language])
  print(`${used[language]} (${fingerprintOf(publicKey)})`)
  return key
}

async function readTls(paths: { cert: string; key: string }) {
  const read = (name: string, path: string) =>
    readFile(path, 'utf8').catch((error: unknown) => {
      throw new WishError(`--${name} ${path}: cannot be read (${reasonOf(error)}).`)
    })
  return { certPem: await read('tls-cert', paths.cert), keyPem: await read('tls-key', paths.key) }
}

function openTranscript(path: string | undefined): Transcript {
  try {
    return new Transcript(path)
  } catch (error) {
    throw new WishError(`--transcript ${path}: cannot be written (${reasonOf(error)}).`)
  }
}

/** Where a terminal can reach us: of all addresses those that are not our own alone. */
function addressesOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host]
  const found = Object.values(networkInterfaces()).flatMap((rows) =>
    (rows ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
  )
  return found.length === 0 ? ['127.0.0.1'] : found
}

function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  return stop.signal
}

const FAULTS: Readonly<Record<Extract<ReadReport, { ok: false }>['fault'] | 'transcript', Words>> = {
  notJson: { zh: '不是 JSON 文件', en: 'is no JSON file' },
  notAReport: { zh: '不是终端符合性测试报告', en: 'is no conformance report' },
  changed: { zh: '内容在签名之后被改动', en: 'was changed after it was signed' },
  foreignKey: { zh: '由另一把密钥签名', en: 'is signed by another key' },
  transcript: { zh: '与所给记录不符', en: 'does not belong to this transcript' },
}

async function verify({ path, transcriptPath, publicKey, language }: VerifyWishes): Promise<number> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new WishError(`${path}: cannot be read (${reasonOf(error)}).`)
  })
  const result = readSigned(bytes, publicKey)
  const refuse = (fault: keyof typeof FAULTS): number => {
    print(`✗ ${path} ${FAULTS[fault][language]}`)
    return EXIT.failed
  }
  if (!result.ok) return refuse(result.fault)
  const { report, signature } = result.signed
  if (transcriptPath !== undefined && (await sha256Of(transcriptPath)) !== report.transcript.sha256)
    return refuse('transcript')
  // Whoever signed it wrote its texts too: nothing of them may steer a screen.
  for (const line of reportLines(report, signature.publicKey, language)) print(printable(line, 1000))
  print(language === 'zh' ? '✓ 签名有效' : '✓ the signature is good')
  return EXIT.passed
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer) // no encoding is set, so chunks are bytes
  } catch (error) {
    throw new WishError(`--transcript ${path}: cannot be read (${reasonOf(error)}).`)
  }
  return hash.digest('hex')
}

async function main(): Promise<number> {
  try {
    const wishes = readWishes(process.argv.slice(2))
    if (wishes === undefined) {
      process.stdout.write(HELP)
      return EXIT.passed
    }
    return wishes.task === 'verify' ? await verify(wishes) : await test(wishes)
  } catch (error) {
    if (!(error instanceof WishError || error instanceof KeyError)) throw error
    process.stderr.write(error.message + '\n')
    return EXIT.wrongUse
  }
}

process.exitCode = await main()
