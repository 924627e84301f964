/**
 * The second line behind the change feed: the row of every connected terminal is read again in turn, and its connection is
 * closed when it does not stand on what the register says.
 */
import type { Connection } from './connection.ts'
import type { Refusals } from './refusals.ts'
import { cutUnlessStands } from './stands.ts'
import type { TerminalRows } from './terminal-rows.ts'

/** Rows read again per round. At one round a second 120 terminals take 6 s, 10 000 take 500 s. */
const RECHECKS_PER_ROUND_MAX = 20

/** Starts the rounds; the returned function ends them. */
export function startRecheck(o: {
  connections: () => Iterable<Connection>
  rows: Pick<TerminalRows, 'askedRow'>
  refusals: Pick<Refusals, 'count'>
  everyMs: number
  onFault: (fault: unknown) => void
}): () => void {
  let turn: Connection[] = []
  let isRunning = false

  const recheck = async (connection: Connection): Promise<void> => {
    const { terminal } = connection
    if (terminal === undefined || connection.conn.destroyed) return
    const found = await o.rows.askedRow(terminal.serial)
    if (found.ok) cutUnlessStands(connection, found.value, o.refusals) // While the register is away, nothing is cut.
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
