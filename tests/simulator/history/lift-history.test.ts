import { Compile } from 'typebox/compile'
import { describe, expect, it } from 'vitest'
import { STATE_SILENCE_MS_MAX } from '#contract/history'
import { Message, Statistics, Status } from '#contract/telemetry'
import { historyOf, type LiftHistory } from '#simulator/history/lift-history'
import { troublesOf } from '#simulator/history/troubles'
import { TERMINAL_KIND_NAMES, kindOf, kindRow } from '#simulator/terminal/sensing'
import { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS
const UNTIL_MS = Date.UTC(2026, 10, 21, 12, 17, 5)
const FROM_MS = Date.UTC(2026, 10, 21, 12) - 12 * DAY_MS
const SPAN = { seed: 20, fromMs: FROM_MS, untilMs: UNTIL_MS, statusesFromMs: UNTIL_MS - 2 * DAY_MS }
const town = generateTown({ seed: 20, liftCount: 120, boundAtMs: UNTIL_MS })
const identities = town.terminals.map(({ serial, lift: id }) => {
  const lift = town.lifts.find((each) => each.id === id)
  if (lift === undefined) throw new Error(`${id} is in the town`)
  return { serial, lift }
})
const ofKind = (kind: string) => {
  const found = identities.find(({ serial }) => kindOf(SPAN.seed, serial) === kind)
  if (found === undefined) throw new Error(`a town of 120 has a terminal of kind ${kind}`)
  return found
}
const seqsOf = ({ birth, statuses, statistics, messages, looks }: LiftHistory): number[] => [
  ...[birth.seq, ...looks.seq, ...statistics.map(({ seq }) => seq), ...messages.map(({ seq }) => seq)],
  ...statuses.map(({ seq }) => seq).filter((seq) => !looks.seq.includes(seq)),
]

describe.each(TERMINAL_KIND_NAMES)('the past of a lift with a terminal of kind %s', (kind) => {
  const identity = ofKind(kind)
  const history = historyOf(identity, SPAN)

  it('is the same for the same seed, and another one for another seed', () => {
    expect(historyOf(identity, SPAN)).toEqual(history)
    expect(historyOf(identity, { ...SPAN, seed: 21 }).statistics).not.toEqual(history.statistics)
  })

  it('leaves no moment unknown, and keeps all statuses of the days that were asked for', () => {
    const { atMs } = history.looks
    expect(atMs[0]).toBe(FROM_MS)
    for (let index = 1; index < atMs.length; index += 1)
      expect((atMs[index] ?? 0) - (atMs[index - 1] ?? 0)).toBeLessThan(STATE_SILENCE_MS_MAX)
    expect(UNTIL_MS - (atMs.at(-1) ?? 0)).toBeLessThan(STATE_SILENCE_MS_MAX)
    expect(history.statuses.map(({ sampledAtMs }) => sampledAtMs)).toEqual(
      [...atMs].filter((each) => each >= SPAN.statusesFromMs),
    )
  })

  it('says of a status that is not kept the same as if it were', () => {
    const whole = historyOf(identity, { ...SPAN, statusesFromMs: FROM_MS })
    const { atMs, serviceMode, vibrationMg } = history.looks
    const told = new Map(whole.statuses.map((status) => [status.sampledAtMs, status]))
    let equalCount = 0
    for (const [index, at] of atMs.entries()) {
      const status = told.get(at)
      // A look after something was heard may fall on another moment; the others are the same.
      if (status === undefined) continue
      equalCount += 1
      expect(serviceMode[index]).toBe(status.serviceMode)
      expect(vibrationMg[index]).toEqual(status.vibrationMg ?? Number.NaN)
    }
    expect(equalCount).toBeGreaterThan(atMs.length * 0.5)
  })

  it('says only what the contract knows, each number once, in a boot before any live one', () => {
    const [status, statistics, message] = [Compile(Status), Compile(Statistics), Compile(Message)]
    for (const body of history.statuses) expect(status.Check(body)).toBe(true)
    for (const body of history.statistics) expect(statistics.Check(body)).toBe(true)
    for (const body of history.messages) expect(message.Check(body)).toBe(true)
    const seqs = seqsOf(history)
    expect(new Set(seqs).size).toBe(seqs.length)
    expect(Math.max(...seqs)).toBe(seqs.length)
    const live = new SimulatedLift({ ...identity, seed: 20, speed: 1, startAtMs: UNTIL_MS, kind })
    expect(history.boot).toBeLessThan(live.boot)
  })

  it('counts without ever falling, each quarter of an hour, up to where the live lift begins', () => {
    const names = kindRow(kind).counts ?? (['runCount', 'energyKWh', 'distanceM', 'passengerCount'] as const)
    const live = new SimulatedLift({ ...identity, seed: 20, speed: 1, startAtMs: UNTIL_MS + 2_000, kind })
    const greeting = live.greet(UNTIL_MS + 2_000).find(({ kind: said }) => said === 'statistics')
    const first = JSON.parse(greeting?.payload ?? '{}') as Statistics
    const readings = [...history.statistics, first]
    for (const name of names)
      for (const [index, reading] of readings.entries()) {
        if (index === 0) continue
        const before = readings[index - 1]
        expect(reading[name]).toBeGreaterThanOrEqual(before?.[name] ?? Infinity)
        expect((reading.sampledAtMs - (before?.sampledAtMs ?? 0)) / 60_000).toBeLessThanOrEqual(15)
      }
    const last = history.statistics.at(-1)
    expect((first.runCount ?? 0) - (last?.runCount ?? 0)).toBeLessThan(30)
    const aDay = ((last?.runCount ?? 0) - (history.statistics[0]?.runCount ?? 0)) / 12
    expect(aDay).toBeGreaterThan(60)
    expect(aDay).toBeLessThan(600)
  })
})

describe('what goes wrong in the past', () => {
  const span = { seed: 20, fromMs: FROM_MS, untilMs: UNTIL_MS }

  it('is over before the lifts are taken on live', () => {
    for (const { lift } of identities)
      for (const { atMs, durationMs } of troublesOf({ ...span, lift: lift.id })) {
        expect(atMs).toBeGreaterThanOrEqual(FROM_MS)
        expect(atMs + durationMs).toBeLessThan(UNTIL_MS)
      }
    const histories = identities.slice(0, 12).map((identity) => historyOf(identity, SPAN))
    for (const { messages } of histories) {
      const raised = messages.filter((message) => message.raised).map(({ id }) => id)
      const cleared = messages.filter((message) => !message.raised).map(({ id }) => id)
      expect(cleared.sort()).toEqual(raised.sort())
    }
    expect(histories.flatMap(({ messages }) => messages).length).toBeGreaterThan(20)
  })

  it('comes to twelve a year and lift by chance, and the mechanic twice a month', () => {
    const fromMs = UNTIL_MS - 365 * DAY_MS
    const all = identities.flatMap(({ lift }) => troublesOf({ ...span, fromMs, lift: lift.id }))
    const visits = all.filter(({ name }) => name === 'inspection').length
    expect((all.length - visits) / identities.length).toBeGreaterThan(11)
    expect((all.length - visits) / identities.length).toBeLessThan(13)
    expect(visits / identities.length).toBeCloseTo(365 / 15, 0)
  })
})
