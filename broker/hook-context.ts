/** What the hooks work with, and how they refuse. */
import type { AdmissionRefusal } from '#contract/errors'
import type { Journal } from '#storage/journal/journal'
import { AdmissionError } from './admission.ts'
import type { Commits } from './commits.ts'
import type { Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { BrokerLimits } from './limits.ts'
import type { Refusals } from './refusals.ts'

export type HookContext = {
  readonly connectionOf: (client: object) => Connection | undefined
  readonly credentials: Pick<Credentials, 'prove'>
  readonly commits: Pick<Commits, 'commit'>
  readonly journal: Pick<Journal, 'status'>
  readonly refusals: Pick<Refusals, 'count'>
  readonly limits: BrokerLimits
  readonly isStopping: () => boolean
  readonly onFault: (hook: string, fault: unknown) => void
  /** How long a CONNECT may stay without an answer, ms. */
  readonly answerMs: number
}

/** Counts a refusal; the error that is returned closes the connection and is not counted again. */
export function refused(
  o: HookContext,
  connection: Connection | undefined,
  code: AdmissionRefusal,
  detail: string,
): AdmissionError {
  if (connection) connection.endReason = code
  o.refusals.count(code, { terminal: connection?.terminalName, address: connection?.address ?? '', detail })
  return new AdmissionError(code, detail)
}
