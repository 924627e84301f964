/** The lifts and organisations of the register, kept in memory and read again on demand, so that new lifts appear. */
import type { LiftId, OrganisationId } from '#contract/ids'
import type { Log } from '#contract/log-events'
import { inScope, type Lift, type LiftScope, type Organisation } from '#contract/register'
import { RegisterAwayError, type Register } from '#storage/register/register'

/** A list younger than this is good enough for an answer, ms. */
export const FLEET_AGE_MS_MAX = 2_000

export interface Fleet {
  readonly lifts: ReadonlyMap<LiftId, Lift>
  readonly organisations: ReadonlyMap<OrganisationId, Organisation>
  /**
   * Reads the register again when the list is older than `ageMsMax`. A register that is away leaves the list as it was;
   * it is an error only when there never was a list.
   */
  refresh(o?: { ageMsMax?: number }): Promise<void>
  /** The lifts in scope, ordered by id. */
  inScope(scope: LiftScope): Lift[]
  /** Calls the listener with the contractors whose set of lifts changed; null stands for lifts that nobody serves. */
  onMoved(listener: (contractors: ReadonlySet<OrganisationId | null>) => void): void
}

/** The lift, when it is there and in scope; looked for in the register when the list does not know it. */
export async function liftInScope(fleet: Fleet, id: LiftId, scope: LiftScope): Promise<Lift | undefined> {
  await fleet.refresh({ ageMsMax: FLEET_AGE_MS_MAX })
  const lift = fleet.lifts.get(id)
  return lift !== undefined && inScope(scope, lift.contractor) ? lift : undefined
}

export async function openFleet(o: {
  register: Pick<Register, 'lifts' | 'organisations'>
  log: Log
  nowMs: () => number
}): Promise<Fleet> {
  let lifts: ReadonlyMap<LiftId, Lift> = new Map()
  let organisations: ReadonlyMap<OrganisationId, Organisation> = new Map()
  let readAtMs: number | undefined
  let reading: Promise<void> | undefined
  const listeners: ((contractors: ReadonlySet<OrganisationId | null>) => void)[] = []

  const read = async () => {
    const atMs = o.nowMs()
    const [liftRows, organisationRows] = await Promise.all([
      o.register.lifts.all({ all: true }),
      o.register.organisations.all(),
    ])
    const before = lifts
    const first = readAtMs === undefined
    lifts = new Map(liftRows.map((lift) => [lift.id, lift]))
    organisations = new Map(organisationRows.map((organisation) => [organisation.id, organisation]))
    readAtMs = atMs
    const moved = movedContractors(before, lifts)
    if (!first && moved.size > 0) for (const listener of listeners) listener(moved)
  }

  const fleet: Fleet = {
    get lifts() {
      return lifts
    },
    get organisations() {
      return organisations
    },
    async refresh({ ageMsMax = 0 } = {}) {
      const ageMs = readAtMs === undefined ? Infinity : Math.abs(o.nowMs() - readAtMs)
      if (ageMs < ageMsMax) return
      reading ??= read().finally(() => (reading = undefined))
      try {
        await reading
      } catch (error) {
        if (!(error instanceof RegisterAwayError) || readAtMs === undefined) throw error
      }
    },
    inScope: (scope) => [...lifts.values()].filter((lift) => inScope(scope, lift.contractor)),
    onMoved: (listener) => void listeners.push(listener),
  }
  await fleet.refresh().catch((error: unknown) => {
    // The API starts without its register and says so in /readyz; the first question that needs it tries again.
    if (!(error instanceof RegisterAwayError)) throw error
    o.log.warn('register.away', { part: 'api', reason: error.message })
  })
  return fleet
}

function movedContractors(
  before: ReadonlyMap<LiftId, Lift>,
  after: ReadonlyMap<LiftId, Lift>,
): Set<OrganisationId | null> {
  const moved = new Set<OrganisationId | null>()
  for (const [id, lift] of after) {
    const old = before.get(id)
    if (old?.contractor === lift.contractor) continue
    moved.add(lift.contractor)
    if (old !== undefined) moved.add(old.contractor)
  }
  for (const [id, lift] of before) if (!after.has(id)) moved.add(lift.contractor)
  return moved
}
