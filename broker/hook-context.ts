/** What the hooks work with, and how they refuse. */
import type { AdmissionRefusal } from '#contract/errors'
import type { Journal } from '#storage/journal/journal'
import { AdmissionError } from './admission.ts'
import type { ShownCertificate } from './certificates.ts'
import type { Commits } from './commits.ts'
import type { Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { BrokerLimits } from './limits.ts'
import type { ConnectRates, Lockouts } from './lockouts.ts'
import type { Refusals } from './refusals.ts'
import type { Takeovers } from './takeover.ts'

/** All that the hooks of one broker share. */
export type HookContext = {
  readonly connectionOf: (client: object) => Connection | undefined
  readonly credentials: Pick<Credentials, 'prove' | 'remembers' | 'knows' | 'newest'>
  readonly lockouts: Pick<Lockouts, 'mayTry' | 'noteWrong'>
  readonly connectRates: Pick<ConnectRates, 'take'>
  readonly takeovers: Pick<Takeovers, 'admit'>
  /** Why a certificate that was shown is not good; undefined when it is good. */
  readonly certificateFault: (shown: ShownCertificate) => string | undefined
  readonly commits: Pick<Commits, 'commit'>
  readonly journal: Pick<Journal, 'status'>
  readonly refusals: Pick<Refusals, 'count'>
  readonly limits: BrokerLimits
  readonly isStopping: () => boolean
  /** Unix ms. */
  readonly nowMs: () => number
  /** A clock that never goes back, ms. */
  readonly elapsedMs: () => number
  readonly onFault: (hook: string, fault: unknown) => void
  /** How long a CONNECT may stay without an answer, ms. */
  readonly answerMs: number
}

/** Counts a refusal; the error that is returned closes the connection and is not counted again. */
export function refused(
  o: Pick<HookContext, 'refusals'>,
  connection: Connection | undefined,
  code: AdmissionRefusal,
  detail: string,
): AdmissionError {
  if (connection) connection.endReason = code
  o.refusals.count(code, { terminal: connection?.terminalName, address: connection?.address ?? '', detail })
  return new AdmissionError(code, detail)
}
