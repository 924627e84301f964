/** A lift of the demonstration town with a terminal of a wanted kind, and what its payloads must be like. */
import { Compile } from 'typebox/compile'
import { Connection, Message, Statistics, Status } from '#contract/telemetry'
import { SimulatedLift, type Spoken } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'

export const HOUR_MS = 3600_000
/** A Saturday at seven in the morning in Asia/Shanghai. */
export const MORNING_MS = Date.parse('2026-11-21T07:00:00+08:00')

const town = generateTown({ seed: 20, liftCount: 120, boundAtMs: MORNING_MS })

export function liftOf(
  o: Partial<Omit<ConstructorParameters<typeof SimulatedLift>[0], 'lift' | 'serial'>> & { index?: number },
): SimulatedLift {
  const { index = 0, seed = 20, speed = 1, startAtMs = MORNING_MS, ...rest } = o
  const [lift, terminal] = [town.lifts[index], town.terminals[index]]
  if (lift === undefined || terminal === undefined) throw new Error('the town has that lift')
  return new SimulatedLift({ lift, serial: terminal.serial, seed, speed, startAtMs, ...rest })
}

/** What the contract says of each kind of message. */
export const payloadSchemas = {
  status: Compile(Status),
  statistics: Compile(Statistics),
  message: Compile(Message),
  connection: Compile(Connection),
}

/** Payloads that the contract does not know, with the reason. */
export const unfit = (spoken: readonly Spoken[]): unknown[] =>
  spoken.flatMap(({ kind, payload }) => {
    const body: unknown = JSON.parse(payload)
    return payloadSchemas[kind].Check(body) ? [] : [{ payload, errors: payloadSchemas[kind].Errors(body) }]
  })

export const statusesOf = (spoken: readonly Spoken[]): Status[] =>
  spoken.filter(({ kind }) => kind === 'status').map(({ payload }) => JSON.parse(payload) as Status)
export const statisticsOf = (spoken: readonly Spoken[]): Statistics[] =>
  spoken.filter(({ kind }) => kind === 'statistics').map(({ payload }) => JSON.parse(payload) as Statistics)
