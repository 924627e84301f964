import { createHash, generateKeyPairSync } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { CHECKS, outcomeOf, type Judged } from '#simulator/conformance/checks'
import { FactLog, type Fact } from '#simulator/conformance/facts'
import { TIMINGS, type KitRun } from '#simulator/conformance/kit'
import { reportLines } from '#simulator/conformance/print'
import { buildReport, readSigned, writeSigned, type Report } from '#simulator/conformance/report'
import { KeyError, openKey, publicKeyOf, readKey } from '#simulator/conformance/signature'
import { Transcript } from '#simulator/conformance/transcript'
import { tempFolder } from '../../servers/temp-folder.ts'
import { FakeTerminal } from './fake-terminal.ts'
import { LIFT, runOnBench, TERMINAL } from './kit-run.ts'
import { LoopClock } from './loop-clock.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const START_AT_MS = Date.UTC(2026, 4, 4, 10)

async function shortRun(transcript: Transcript): Promise<KitRun> {
  using clock = new LoopClock({ startAtMs: START_AT_MS, stepMs: 250 })
  let fake: FakeTerminal | undefined
  const run = await runOnBench({
    clock,
    transcript,
    timings: { observeMs: 60_000, settleMs: 5000, backfillMs: 5000 },
    onListening: (port) => {
      fake = new FakeTerminal({ port, clock, lift: LIFT, serial: TERMINAL, flaws: { subscribes: true } })
      void fake.run()
    },
  })
  fake?.stop()
  return run
}

let report: Report
let transcriptText: string
beforeAll(async () => {
  await using folder = await tempFolder('conformance')
  const path = join(folder.path, 'transcript.jsonl')
  using transcript = new Transcript(path)
  const run = await shortRun(transcript)
  report = buildReport(run, TIMINGS, transcript.facts())
  transcriptText = await readFile(path, 'utf8')
})

describe('the report', () => {
  it('says who was tested, when, what came out, and shows the first packet that is wrong', () => {
    expect(report).toMatchObject({
      outcome: 'failed',
      unfinished: null,
      lift: LIFT,
      terminal: TERMINAL,
      firmware: '1.4.2',
      startedAt: '2026-05-04T10:00:00.000Z',
    })
    expect(report.checks.map(({ id }) => id)).toEqual(CHECKS.map(({ id }) => id))
    const subscribed = report.checks.find(({ id }) => id === 'subscribe.none')
    expect(subscribed).toMatchObject({
      result: 'failed',
      evidence: { en: `subscribed to "lifts/v1/${LIFT}/commands"` },
    })
    expect(Date.parse(subscribed?.evidence?.at ?? '')).toBeGreaterThan(START_AT_MS)
  })

  it('is told in both languages, with every check in it', () => {
    for (const language of ['zh', 'en'] as const) {
      const text = reportLines(report, publicKeyOf(privateKey), language).join('\n')
      for (const { id, severity } of CHECKS) if (severity !== 'info') expect(text).toContain(id)
      expect(text).toContain(report.transcript.sha256)
    }
  })

  it('carries a signature that holds for these bytes alone', () => {
    const file = Buffer.from(writeSigned(report, privateKey))
    expect(readSigned(file)).toMatchObject({ ok: true, signed: { report } })
    expect(readSigned(file, publicKeyOf(privateKey))).toMatchObject({ ok: true })
    const taken: number[] = []
    for (let at = 0; at < file.length; at += 3) {
      const changed = Buffer.from(file)
      changed.writeUInt8((changed.readUInt8(at) ^ (1 << (at % 7))) & 0xff, at)
      if (readSigned(changed).ok) taken.push(at)
    }
    expect(taken).toEqual([])
    expect(readSigned(Buffer.concat([file, Buffer.from(' ')]))).toEqual({ ok: false, fault: 'changed' })
    expect(readSigned(file.subarray(0, -1))).toEqual({ ok: false, fault: 'changed' })
    expect(readSigned(Buffer.from('{}'))).toEqual({ ok: false, fault: 'notAReport' })
    expect(readSigned(Buffer.from('no'))).toEqual({ ok: false, fault: 'notJson' })
  }, 60_000)

  it('that somebody else signed anew is told by its key', () => {
    const forged = writeSigned({ ...report, outcome: 'passed' }, generateKeyPairSync('ed25519').privateKey)
    expect(readSigned(Buffer.from(forged))).toMatchObject({ ok: true })
    expect(readSigned(Buffer.from(forged), publicKeyOf(privateKey))).toEqual({ ok: false, fault: 'foreignKey' })
  })

  it('is never passed when something that the kit brings about was not seen, or the run was not whole', () => {
    const all = (state: Judged['verdict']['state']): Judged[] =>
      CHECKS.map((check) => ({ check, verdict: { state, lookedAtCount: 1, faultCount: 0, evidence: null } }))
    expect(outcomeOf(all('passed'), true)).toBe('passed')
    expect(outcomeOf(all('passed'), false)).toBe('incomplete')
    expect(outcomeOf(all('notObserved'), true)).toBe('incomplete')
    expect(outcomeOf(all('failed'), false)).toBe('failed')
  })
})

describe('the key of a folder', () => {
  it('is made once, for its owner alone, and used again', async () => {
    await using folder = await tempFolder('conformance')
    const path = join(folder.path, 'keys')
    const first = await openKey(path)
    const second = await openKey(path)
    expect([first.isNew, second.isNew]).toEqual([true, false])
    expect(publicKeyOf(second.key)).toBe(publicKeyOf(first.key))
    expect((await stat(first.path)).mode & 0o777).toBe(0o600)
    expect(publicKeyOf(await readKey(first.path))).toBe(publicKeyOf(first.key))
  })

  it('is refused when it is of another kind, no key, or not there', async () => {
    await using folder = await tempFolder('conformance')
    const path = join(folder.path, 'key.pem')
    await expect(readKey(path)).rejects.toThrow(KeyError)
    await writeFile(path, 'no key')
    await expect(readKey(path)).rejects.toThrow(/no private key/)
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    await writeFile(path, other.export({ format: 'pem', type: 'pkcs8' }))
    await expect(readKey(path)).rejects.toThrow(/Ed25519/)
  })
})

describe('the transcript', () => {
  it('holds every fact as a line of JSON, and no password; its sum is in the report', () => {
    const lines = transcriptText.trimEnd().split('\n')
    expect(lines.length).toBe(report.transcript.lineCount)
    expect(createHash('sha256').update(transcriptText).digest('hex')).toBe(report.transcript.sha256)
    const facts = lines.map((line) => JSON.parse(line) as { what: string; password?: string })
    expect(new Set(facts.map(({ what }) => what))).toEqual(
      new Set(['phase', 'attempt', 'connect', 'publish', 'subscribe', 'closed']),
    )
    expect(facts.find(({ what }) => what === 'connect')?.password).toBe('sound')
    expect(transcriptText).not.toContain('"secret"')
  })

  it('stops at its bound and counts what it left out', () => {
    using transcript = new Transcript(undefined, 200)
    const fact: Fact = { atMs: 0, what: 'ping', connection: 1 }
    for (let index = 0; index < 10; index += 1) transcript.add(fact)
    const { lineCount, byteCount, droppedCount } = transcript.facts()
    expect(lineCount + droppedCount).toBe(10)
    expect(byteCount).toBeLessThanOrEqual(200)
    expect(lineCount).toBeGreaterThan(0)
  })
})

describe('the facts of a run', () => {
  it('are bounded, and what was not kept is counted; phases are always kept', () => {
    const log = new FactLog({ nowMs: () => 0, factsMax: 2 })
    for (let index = 0; index < 5; index += 1) log.add({ what: 'ping', connection: 1 })
    log.add({ what: 'phase', phase: 'end' })
    expect(log.facts.map(({ what }) => what)).toEqual(['ping', 'ping', 'phase'])
    expect(log.droppedCount).toBe(3)
  })
})
