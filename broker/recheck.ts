/**
 * A terminal that is revoked, rebound or given a new secret while it is connected: its row is read again in turn, and the
 * connection is closed when it no longer stands on what the register says. The device comes back and is judged anew.
 */
import type { Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { Refusals } from './refusals.ts'

/** Rows read again per round. At one round a second 120 terminals take 6 s, 10 000 take 500 s. */
export const RECHECKS_PER_ROUND_MAX = 20

/** Starts the rounds; the returned function ends them. */
export function startRecheck(o: {
  connections: () => Iterable<Connection>
  credentials: Pick<Credentials, 'row'>
  refusals: Pick<Refusals, 'count'>
  everyMs: number
  onFault: (fault: unknown) => void
}): () => void {
  let turn: Connection[] = []
  let isRunning = false

  const recheck = async (connection: Connection): Promise<void> => {
    const { terminal, secretHash } = connection
    if (terminal === undefined || connection.conn.destroyed) return
    const found = await o.credentials.row(terminal.serial)
    if (!found.ok) return // The register is away: what was true stays true until it says otherwise.
    const row = found.value
    const stands =
      row !== undefined && row.revokedAtMs === null && row.lift === terminal.lift && row.secretHash === secretHash
    if (stands || connection.conn.destroyed) return
    connection.endReason = 'admission.revoked'
    const { address } = connection
    o.refusals.count('admission.revoked', { terminal: terminal.serial, address, detail: 'changed while connected' })
    connection.conn.destroy()
  }

  const round = async (): Promise<void> => {
    if (turn.length === 0) turn = [...o.connections()].filter(({ isReady }) => isReady)
    await Promise.all(turn.splice(0, RECHECKS_PER_ROUND_MAX).map(recheck))
  }

  const timer = setInterval(() => {
    // A round that takes longer than its time delays the next one instead of piling up behind a slow register.
    if (isRunning) return
    isRunning = true
    round()
      .catch(o.onFault)
      .finally(() => (isRunning = false))
  }, o.everyMs)
  return () => clearInterval(timer)
}
