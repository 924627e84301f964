/** What the browser knows of the fleet, and how snapshots and deltas change it. No socket and no clock in here. */
import type { LiftId } from '#contract/ids'
import type { LiveDelta, LiveSnapshot, LiveState } from '#contract/live'

export type FleetMemory = {
  /** Number of the newest delta that is in `states`; undefined before the first snapshot. */
  seq: number | undefined
  /** Numbers are missing: deltas are worthless until a snapshot comes. */
  isSnapshotWanted: boolean
  readonly states: Map<LiftId, LiveState>
}

export const emptyFleet = (): FleetMemory => ({ seq: undefined, isSnapshotWanted: true, states: new Map() })

/**
 * What to say after the connection opened: all that came since the newest delta, or everything. The server answers with
 * the missed deltas one by one, or with a snapshot when it does not know them any more.
 */
export const helloOf = (memory: FleetMemory): { since?: number } =>
  memory.seq === undefined || memory.isSnapshotWanted ? {} : { since: memory.seq }

/** A snapshot is the server's whole truth: lifts that are not in it are gone from this person's view. */
export function takeSnapshot(memory: FleetMemory, snapshot: Pick<LiveSnapshot, 'seq' | 'rows'>): void {
  memory.states.clear()
  for (const row of snapshot.rows) memory.states.set(row.lift, row)
  memory.seq = snapshot.seq
  memory.isSnapshotWanted = false
}

/**
 * `applied`: the rows are in. `ignored`: nothing new in it, or a snapshot is on its way. `gap`: numbers are missing; the
 * caller asks for a snapshot and everything before it is ignored.
 */
export function takeDelta(memory: FleetMemory, delta: Pick<LiveDelta, 'seq' | 'rows'>): 'applied' | 'ignored' | 'gap' {
  if (memory.isSnapshotWanted || memory.seq === undefined || delta.seq <= memory.seq) return 'ignored'
  if (delta.seq > memory.seq + 1) {
    memory.isSnapshotWanted = true
    return 'gap'
  }
  for (const row of delta.rows) {
    const known = memory.states.get(row.lift)
    if (known === undefined || row.position >= known.position) memory.states.set(row.lift, row)
  }
  memory.seq = delta.seq
  return 'applied'
}
