/** The register over any database that speaks PostgreSQL. */
import { alarmsOn } from './alarms.ts'
import { auditOn } from './audit.ts'
import { claimCodesOn } from './claim-codes.ts'
import type { Database } from './database.ts'
import { liftsOn, organisationsOn } from './lifts.ts'
import { liveStatesOn } from './live-states.ts'
import { quarantineOn } from './quarantine.ts'
import type { Register } from './register.ts'
import { sessionsOn } from './sessions.ts'
import { sharesOn } from './shares.ts'
import { staleHoursOn } from './stale-hours.ts'
import { terminalsOn } from './terminals.ts'
import { usersOn } from './users.ts'

/** The database has its tables by now; the register owns it and closes it. */
export function registerOn(database: Database): Register {
  const { kysely } = database
  return {
    organisations: organisationsOn(kysely),
    lifts: liftsOn(kysely),
    terminals: terminalsOn(kysely),
    claimCodes: claimCodesOn(kysely),
    users: usersOn(kysely),
    sessions: sessionsOn(kysely),
    alarms: alarmsOn(kysely),
    liveStates: liveStatesOn(kysely),
    shares: sharesOn(kysely),
    staleHours: staleHoursOn(kysely),
    quarantine: quarantineOn(kysely),
    audit: auditOn(kysely),
    check: () => database.check(),
    [Symbol.asyncDispose]: () => Promise.resolve(database[Symbol.asyncDispose]()),
  }
}
