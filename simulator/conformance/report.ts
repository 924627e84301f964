/** The report: what was tested, what came out, and the evidence; written as JSON with a signature, and read back. */
import type { KeyObject } from 'node:crypto'
import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { CONTRACT_VERSION } from '#contract/asyncapi'
import { LiftId, TerminalSerial } from '#contract/ids'
import type { KitRun, Timings } from './kit.ts'
import { isSignedBy, publicKeyOf, signText } from './signature.ts'
import type { TranscriptFacts } from './transcript.ts'

export const KIT_VERSION = '1.0.0'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const count = Type.Integer({ minimum: 0 })
const time = Type.String({ description: 'ISO 8601, UTC' })

const CheckResult = Type.Object(
  {
    id: Type.String(),
    zh: Type.String(),
    en: Type.String(),
    clause: Type.String(),
    severity: Type.Enum(['must', 'should', 'info']),
    result: Type.Enum(['passed', 'failed', 'notObserved', 'noted']),
    lookedAtCount: count,
    faultCount: count,
    evidence: nullable(
      Type.Object({
        at: nullable(time),
        topic: nullable(Type.String()),
        excerpt: nullable(Type.String()),
        zh: Type.String(),
        en: Type.String(),
      }),
    ),
  },
  { additionalProperties: false },
)
export type CheckResult = Static<typeof CheckResult>

export const Report = Type.Object(
  {
    kind: Type.Literal('tiwang.conformance'),
    kitVersion: Type.String(),
    contractVersion: Type.String(),
    outcome: Type.Enum(['passed', 'failed', 'incomplete']),
    unfinished: nullable(Type.Enum(['stopped', 'neverConnected', 'tooMuch', 'notRestarted'])),
    lift: LiftId,
    terminal: TerminalSerial,
    firmware: nullable(Type.String()),
    startedAt: time,
    endedAt: time,
    timingsMs: Type.Record(Type.String(), Type.Number()),
    counts: Type.Object({
      connections: count,
      publications: count,
      repeats: count,
      payloadBytes: count,
      droppedFacts: count,
    }),
    transcript: Type.Object({ lineCount: count, byteCount: count, droppedCount: count, sha256: Type.String() }),
    checks: Type.Array(CheckResult),
  },
  { additionalProperties: false },
)
export type Report = Static<typeof Report>

const SignedReport = Type.Object(
  {
    report: Report,
    signature: Type.Object(
      { algorithm: Type.Literal('Ed25519'), publicKey: Type.String(), value: Type.String() },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
)
export type SignedReport = Static<typeof SignedReport>
const signedReport = Compile(SignedReport)

const iso = (atMs: number) => new Date(atMs).toISOString()

export function buildReport(run: KitRun, timings: Timings, transcript: TranscriptFacts): Report {
  const { course, judged } = run
  const firmware = course.publications.flatMap(({ body }) =>
    body?.kind === 'online' && body.value.firmware !== undefined ? [body.value.firmware] : [],
  )
  return {
    kind: 'tiwang.conformance',
    kitVersion: KIT_VERSION,
    contractVersion: CONTRACT_VERSION,
    outcome: run.outcome,
    unfinished: run.unfinished ?? null,
    lift: course.subject.lift,
    terminal: course.subject.terminal,
    firmware: firmware.at(-1) ?? null,
    startedAt: iso(run.startedAtMs),
    endedAt: iso(course.endedAtMs),
    timingsMs: { ...timings },
    counts: {
      connections: course.sessions.length,
      publications: course.publications.length,
      repeats: course.publications.filter(({ isRepeat }) => isRepeat).length,
      payloadBytes: course.publications.reduce((sum, { fact }) => sum + fact.payload.length, 0),
      droppedFacts: run.droppedFactCount,
    },
    transcript,
    checks: judged.map(({ check: { id, zh, en, clause, severity, hint }, verdict }) => ({
      id,
      zh,
      en,
      clause,
      severity,
      result: verdict.state,
      lookedAtCount: verdict.lookedAtCount,
      faultCount: verdict.faultCount,
      evidence:
        verdict.state === 'notObserved'
          ? { at: null, topic: null, excerpt: null, ...hint }
          : verdict.evidence === null
            ? null
            : {
                at: verdict.evidence.atMs === null ? null : iso(verdict.evidence.atMs),
                topic: verdict.evidence.topic,
                excerpt: verdict.evidence.excerpt,
                zh: verdict.evidence.zh,
                en: verdict.evidence.en,
              },
    })),
  }
}

const textOf = (value: unknown): string => JSON.stringify(value, null, 1)

/** The file: exactly these bytes, no others, are what `readSigned` takes. */
export function writeSigned(report: Report, key: KeyObject): string {
  const signature = { algorithm: 'Ed25519', publicKey: publicKeyOf(key), value: signText(textOf(report), key) }
  return textOf({ report, signature }) + '\n'
}

export type ReadReport =
  | { readonly ok: true; readonly signed: SignedReport }
  | { readonly ok: false; readonly fault: 'notJson' | 'notAReport' | 'changed' | 'foreignKey' }

/** Verifies a report file. `publicKey` = whose it must be; without it, any key that fits is taken. Total: never throws. */
export function readSigned(bytes: Uint8Array, publicKey?: string): ReadReport {
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch {
    return { ok: false, fault: 'notJson' }
  }
  if (!signedReport.Check(value)) return { ok: false, fault: 'notAReport' }
  // Written again it must be the same bytes: so not even a space may differ from what was signed.
  if (textOf(value) + '\n' !== text) return { ok: false, fault: 'changed' }
  const { report, signature } = value
  if (!isSignedBy(textOf(report), signature.value, signature.publicKey)) return { ok: false, fault: 'changed' }
  if (publicKey !== undefined && publicKey !== signature.publicKey) return { ok: false, fault: 'foreignKey' }
  return { ok: true, signed: value }
}
