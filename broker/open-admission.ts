/** Admission as a whole: what it knows of terminals, how it learns of changes, and whom it closes because of them. */
import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Registry } from 'prom-client'
import type { Log } from '#contract/log-events'
import type { Bus } from '#storage/bus/bus'
import type { Register } from '#storage/register/register'
import { verifySecret } from '#storage/register/secrets'
import { followTerminals } from './change-feed.ts'
import type { Connection } from './connection.ts'
import { Credentials } from './credentials.ts'
import type { HookContext } from './hook-context.ts'
import type { BrokerLimits } from './limits.ts'
import { ConnectRates, Lockouts } from './lockouts.ts'
import { countForgotten, type BrokerMetrics } from './metrics.ts'
import { startRecheck } from './recheck.ts'
import type { Refusals } from './refusals.ts'
import { cutUnlessStands } from './stands.ts'
import { TakeoverAudit } from './takeover-audit.ts'
import { Takeovers } from './takeover.ts'
import { TerminalRows, type Terminals } from './terminal-rows.ts'
import type { Certificates } from './tls-door.ts'

/** What admission works with from outside. */
export type AdmissionParts = {
  readonly terminals: Terminals
  /** Where takeovers are written; without it they are only counted. */
  readonly audit?: Pick<Register['audit'], 'add'> | undefined
  /** Other brokers; without it this one is alone. */
  readonly bus?: Pick<Bus, 'publish' | 'subscribe'> | undefined
}

/** Admission while the broker runs. */
export type Admission = {
  /** What the hooks need of it. */
  readonly hooks: Pick<HookContext, 'credentials' | 'lockouts' | 'connectRates' | 'takeovers' | 'certificateFault'>
  /** A connection has ended. */
  leave(connection: Connection): void
  stop(): Promise<void>
}

/** Resolves when the rows of all terminals are read, or the register gave no answer. */
export async function openAdmission(
  o: AdmissionParts & {
    readonly connections: () => Iterable<Connection>
    readonly certificates: Pick<Certificates, 'faultOf'> | undefined
    readonly refusals: Pick<Refusals, 'count'>
    readonly limits: BrokerLimits
    readonly timeouts: {
      readonly lookupMs: number
      readonly feedMs: number
      readonly recheckMs: number
      readonly stopMs: number
    }
    readonly metrics: BrokerMetrics
    readonly registry: Registry
    readonly log: Log
    readonly nowMs: () => number
    readonly onFault: (what: string, fault: unknown) => void
  },
): Promise<Admission> {
  const { limits, timeouts, log, nowMs, refusals, terminals } = o
  const { lookupMs } = timeouts
  const elapsedMs = (): number => performance.now()
  const rows = new TerminalRows({ terminals, lookupMs, elapsedMs, log })
  const credentials = new Credentials({ rows, verifySecret })
  const lockouts = new Lockouts({ limits, elapsedMs })
  const connectRates = new ConnectRates({ limits, elapsedMs })
  const audit = new TakeoverAudit({
    audit: o.audit,
    writeMs: lookupMs,
    elapsedMs,
    onFault: (fault) => o.onFault('audit', fault),
  })
  const broker = randomUUID()
  const takeovers = new Takeovers({ broker, bus: o.bus, audit, metrics: o.metrics, log, nowMs, elapsedMs })
  countForgotten(o.registry, {
    rows: () => rows.droppedCount,
    proofs: () => credentials.droppedCount,
    lockouts: () => lockouts.droppedCount,
    connectRates: () => connectRates.droppedCount,
    takeovers: () => audit.droppedCount,
  })
  const listening = await o.bus
    ?.subscribe('terminal.connected', (message) => takeovers.onConnected(message))
    .catch(async (error: unknown) => {
      await audit.stop(0)
      throw error
    })
  const feed = await followTerminals({
    terminals,
    rows,
    everyMs: timeouts.feedMs,
    lookupMs,
    onRow: (row) => {
      const connection = takeovers.holderOf(row.serial)
      if (connection !== undefined) cutUnlessStands(connection, row, refusals)
    },
    onFault: (fault) => o.onFault('feed', fault),
  })
  const stopRecheck = startRecheck({
    connections: o.connections,
    rows,
    refusals,
    everyMs: timeouts.recheckMs,
    onFault: (fault) => o.onFault('recheck', fault),
  })
  return {
    hooks: {
      credentials,
      lockouts,
      connectRates,
      takeovers,
      certificateFault: (shown) => (o.certificates === undefined ? 'no TLS here' : o.certificates.faultOf(shown)),
    },
    leave: (connection) => {
      if (connection.terminal !== undefined) takeovers.leave(connection.terminal.serial, connection)
    },
    async stop() {
      feed.stop()
      stopRecheck()
      await listening?.[Symbol.asyncDispose]()
      await audit.stop(timeouts.stopMs)
    },
  }
}
