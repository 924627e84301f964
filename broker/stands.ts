/** Whether an open connection still stands on what the register and the certificates say, and how it ends when not. */
import type { AdmissionRefusal } from '#contract/errors'
import type { Connection } from './connection.ts'
import type { Refusals } from './refusals.ts'
import type { TerminalRow } from './terminal-rows.ts'

/** A connection by certificate does not depend on the secret. */
export const standsOn = ({ terminal, claim, secretHash }: Connection, row: TerminalRow | undefined): boolean =>
  row !== undefined &&
  row.revokedAtMs === null &&
  row.lift === terminal?.lift &&
  (claim?.proof === 'certificate' || row.secretHash === secretHash)

/** Ends a connection that does not stand on the row as it has become; undefined = the register has none. */
export function cutUnlessStands(
  connection: Connection,
  row: TerminalRow | undefined,
  refusals: Pick<Refusals, 'count'>,
): void {
  if (standsOn(connection, row)) return
  // Only a new secret leaves it the lift, and so the right to have its will told there.
  connection.isWillVoid ||= row === undefined || row.revokedAtMs !== null || row.lift !== connection.terminal?.lift
  cut(connection, { code: 'admission.revoked', detail: 'changed while connected', refusals })
}

/** Counts why it is cut, and closes it. The device comes back and is judged anew. */
export function cut(
  connection: Connection,
  o: { code: AdmissionRefusal; detail: string; refusals: Pick<Refusals, 'count'> },
): void {
  if (connection.conn.destroyed) return
  connection.endReason = o.code
  const { address, terminalName: terminal } = connection
  o.refusals.count(o.code, { terminal, address, detail: o.detail })
  connection.conn.destroy()
}
