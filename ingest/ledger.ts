/**
 * What detection has decided and the register has not yet taken: alarm changes in order, and quarantine rows. While the
 * register is away the wall is told all the same; the journal position does not move past what is waiting here.
 */
import type { Alarm, AlarmChange, Occurrence } from '#contract/alarms'
import type { LiftId, OrganisationId } from '#contract/ids'
import type { QuarantineRow } from '#contract/register'
import { QUARANTINE_ROWS_MAX, ShareLostError, type Register } from '#storage/register/register'
import type { Outages } from './outages.ts'
import { reasonOf } from './wait.ts'

/** Above this many waiting changes detection stops reading the journal until the register takes them. */
const CHANGES_MAX = 20_000
/** Quarantine keeps no more rows than this either; beyond it the oldest waiting row is dropped and counted. */
const ROWS_MAX = QUARANTINE_ROWS_MAX
/** The wall is told provisionally when the register has not answered within this. */
const PATIENCE_MS = 300
/** While changes wait they are told again, for viewers who came later. */
const TELL_AGAIN_MS = 5_000

type Options = {
  readonly register: { alarms: Pick<Register['alarms'], 'apply'>; quarantine: Pick<Register['quarantine'], 'put'> }
  readonly outages: Outages
  readonly onDropped: () => void
  /** The register refused a change because the share is another worker's, who has decided the same or knows better. */
  readonly onLost: () => void
  readonly contractorOf: (lift: LiftId) => OrganisationId | null
  readonly publish: (alarm: Alarm, occurrence: Occurrence) => void
}

export type Ledger = {
  readonly waitingCount: number
  readonly isFull: boolean
  add(changes: readonly AlarmChange[]): void
  quarantine(row: QuarantineRow): void
  /** Hands over what is waiting; true when nothing waits any more. */
  settle(): Promise<boolean>
}

export function newLedger({ register, outages, onDropped, onLost, contractorOf, publish }: Options): Ledger {
  const changes: AlarmChange[] = []
  const rows: QuarantineRow[] = []
  let toldCount = 0 // of `changes`, how many the wall has seen provisionally
  let toldAtMs = 0

  /** The wall must not wait for a database: it is shown what was decided, as far as the changes alone can tell. */
  const tellProvisionally = (): void => {
    if (performance.now() - toldAtMs >= TELL_AGAIN_MS) {
      toldCount = 0
      toldAtMs = performance.now()
    }
    for (; toldCount < changes.length; toldCount += 1) {
      const change = changes[toldCount]
      if (change !== undefined) publish(...provisional(change, contractorOf(change.lift)))
    }
  }

  const settleChanges = async (): Promise<void> => {
    while (changes[0] !== undefined) {
      const applied = await register.alarms.apply(changes[0])
      changes.shift()
      toldCount = Math.max(0, toldCount - 1)
      if (applied !== undefined) publish(applied.alarm, applied.occurrence)
    }
  }

  return {
    get waitingCount() {
      return changes.length + rows.length
    },
    get isFull() {
      return changes.length >= CHANGES_MAX
    },
    add: (added) => void changes.push(...added),
    quarantine(row) {
      rows.push(row)
      if (rows.length <= ROWS_MAX) return
      rows.shift()
      onDropped()
    },
    async settle() {
      if (changes.length === 0 && rows.length === 0) return true
      const impatience = setInterval(tellProvisionally, PATIENCE_MS)
      try {
        await settleChanges()
        if (rows.length > 0) {
          const batch = rows.slice(0, 500)
          await register.quarantine.put(batch)
          const taken = new Set(batch)
          rows.splice(0, rows.length, ...rows.filter((row) => !taken.has(row)))
        }
        outages.ended('register')
        return rows.length === 0
      } catch (error) {
        if (error instanceof ShareLostError) {
          onLost()
          return false
        }
        outages.began('register', reasonOf(error))
        tellProvisionally()
        return false
      } finally {
        clearInterval(impatience)
      }
    },
  }
}

/** The alarm as it will be once the register has taken the change, as far as the change alone can tell. */
function provisional(change: AlarmChange, contractor: OrganisationId | null): [Alarm, Occurrence] {
  const isReturn = change.event === 'return'
  const alarm: Alarm = {
    id: change.id,
    lift: change.lift,
    kind: change.kind,
    priority: change.priority,
    state: isReturn ? 'returned-unacknowledged' : 'unacknowledged',
    certainty: change.certainty,
    onsetAtMs: change.onsetAtMs,
    raisedAtMs: change.atMs,
    returnedAtMs: isReturn ? change.atMs : null,
    acknowledgedAtMs: null,
    acknowledgedBy: null,
    closedAtMs: null,
    raiseCount: 1,
    summary: change.summary,
    contractor,
  }
  return [
    alarm,
    { alarm: change.id, number: 1, event: change.event, atMs: change.atMs, by: null, note: null, trace: change.trace },
  ]
}
