import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LiftId } from '#contract/ids'
import {
  nextEntrapment,
  noEntrapment,
  tickEntrapment,
  type EntrapmentMemory,
  type EntrapmentSample,
} from '#ingest/entrapment'

const lift = 'yhy-7-2' as LiftId
const T0 = 1_795_190_400_000

const sample = (seq: number, atS: number, change: Partial<EntrapmentSample> = {}): EntrapmentSample => ({
  boot: 1,
  seq,
  sampledAtMs: T0 + atS * 1000,
  receivedAtMs: T0 + atS * 1000 + 40,
  stopped: true,
  inZone: false,
  doorClosed: true,
  present: true,
  button: false,
  carPosition: '3',
  passengerCount: 2,
  ...change,
})
const landed = (seq: number, atS: number) => sample(seq, atS, { inZone: true, doorClosed: false })

function run(samples: readonly EntrapmentSample[], start: EntrapmentMemory = noEntrapment) {
  let memory = start
  const changes = samples.flatMap((next) => {
    const step = nextEntrapment(memory, lift, next)
    memory = step.memory
    return step.changes
  })
  return { memory, changes, events: changes.map(({ event }) => event) }
}

describe('entrapment between floors', () => {
  it('is suspected after 15 s of event time and not before', () => {
    expect(run([sample(1, 0), sample(2, 10), sample(3, 14.999)]).events).toEqual([])
    const { changes } = run([sample(1, 0), sample(2, 10), sample(3, 15)])
    expect(changes).toMatchObject([
      {
        event: 'raise',
        certainty: 'suspected',
        priority: 1,
        onsetAtMs: T0,
        id: `yhy-7-2.entrapment-between-floors.${T0}`,
      },
    ])
    expect(changes[0]?.trace).toMatchObject({
      sinceAtMs: T0,
      decidedAtMs: T0 + 15_000,
      thresholdMs: 15_000,
      byClock: false,
    })
  })

  it('is raised by the clock for a terminal that falls silent with people inside', () => {
    const { memory } = run([sample(1, 0)])
    expect(tickEntrapment(memory, lift, T0 + 40 + 14_999).changes).toEqual([])
    const step = tickEntrapment(memory, lift, T0 + 40 + 15_000)
    expect(step.changes).toMatchObject([
      { event: 'raise', onsetAtMs: T0, trace: { byClock: true, decidedAtMs: T0 + 15_000 } },
    ])
    expect(tickEntrapment(step.memory, lift, T0 + 60_000).changes).toEqual([])
  })

  it('has the same identity whether a message or the clock decided', () => {
    const byMessage = run([sample(1, 0), sample(2, 20)]).changes[0]
    const byClock = tickEntrapment(run([sample(1, 0)]).memory, lift, T0 + 20_000).changes[0]
    expect(byClock?.id).toBe(byMessage?.id)
    expect(byClock?.trace.decidedAtMs).toBe(byMessage?.trace.decidedAtMs)
  })

  it('is confirmed after a minute, or at once by the alarm button', () => {
    expect(run([sample(1, 0), sample(2, 16), sample(3, 60)]).events).toEqual(['raise', 'confirm'])
    expect(run([sample(1, 0), sample(2, 16), sample(3, 17, { button: true }), sample(4, 70)]).events).toEqual([
      'raise',
      'confirm',
    ])
  })

  it('returns when the doors open at a landing, not when the car merely moves', () => {
    const moving = sample(3, 25, { stopped: false })
    expect(run([sample(1, 0), sample(2, 20), moving]).events).toEqual(['raise'])
    expect(run([sample(1, 0), sample(2, 20), moving, landed(4, 31)]).events).toEqual(['raise', 'return'])
  })

  it('is not ended by a presence sensor that blinks, only by half a minute without anyone', () => {
    const blink = [sample(1, 0), sample(2, 5, { present: false }), sample(3, 16, { present: false })]
    expect(run(blink).events).toEqual(['raise'])
    const empty = [
      sample(4, 36, { present: false }),
      sample(5, 50, { present: false }),
      sample(6, 67, { present: false }),
    ]
    expect(run([...blink, ...empty]).events).toEqual(['raise', 'return'])
  })

  it('stays silent for an empty car, for a car at a landing and for a running car', () => {
    const seconds = [0, 10, 20, 40]
    expect(run(seconds.map((s, i) => sample(i, s, { present: false }))).events).toEqual([])
    expect(run(seconds.map((s, i) => sample(i, s, { inZone: true }))).events).toEqual([])
    expect(run(seconds.map((s, i) => sample(i, s, { stopped: false }))).events).toEqual([])
  })

  it('reports one that began and ended within a batch that came late', () => {
    const late = [sample(1, 0), sample(2, 30), landed(3, 90)].map((each) => ({ ...each, receivedAtMs: T0 + 3_600_000 }))
    expect(run(late).events).toEqual(['raise', 'return'])
  })

  it('is not raised twice after a restart that replays what was seen', () => {
    const first = run([sample(1, 0), sample(2, 20)])
    expect(run([sample(1, 0), sample(2, 20), sample(3, 25)], first.memory).events).toEqual([])
    const again = run([sample(1, 0), sample(2, 20)])
    expect(again.changes[0]?.id).toBe(first.changes[0]?.id)
  })

  const spells = fc.array(
    fc.record({
      afterS: fc.integer({ min: 1, max: 12 }),
      stopped: fc.boolean(),
      inZone: fc.boolean(),
      doorClosed: fc.boolean(),
      present: fc.boolean(),
    }),
    { minLength: 1, maxLength: 30 },
  )
  const samplesOf = (steps: readonly ({ afterS: number } & Partial<EntrapmentSample>)[]): EntrapmentSample[] => {
    let atS = 0
    return steps.map(({ afterS, ...rest }, index) => sample(index + 1, (atS += afterS), rest))
  }

  it('decides alike with any duplicates', () => {
    fc.assert(
      fc.property(
        spells,
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 30, maxLength: 30 }),
        (steps, copies) => {
          const clean = samplesOf(steps)
          const doubled = clean.flatMap((each, index) => Array.from({ length: copies[index] ?? 1 }, () => each))
          expect(run(doubled).changes).toEqual(run(clean).changes)
        },
      ),
    )
  })

  it('ends with the same open alarm when neighbours change places', () => {
    fc.assert(
      fc.property(spells, fc.nat(), (steps, place) => {
        const clean = samplesOf(steps)
        const swapped = [...clean]
        const index = place % clean.length
        const [a, b] = [swapped[index], swapped[index + 1]]
        if (a !== undefined && b !== undefined) [swapped[index], swapped[index + 1]] = [b, a]
        // After the disorder a calm end: trapped for long enough, so that both must hold an alarm.
        const end = clean.length + 1
        const lastS = ((clean.at(-1)?.sampledAtMs ?? T0) - T0) / 1000
        const calm = [sample(end, lastS + 1), sample(end + 1, lastS + 17), sample(end + 2, lastS + 40)]
        expect(run([...swapped, ...calm]).memory.raised).not.toBeNull()
        expect(run([...clean, ...calm]).memory.raised).not.toBeNull()
      }),
    )
  })

  it('never raises before somebody was seen in a standing car outside the zone for the threshold', () => {
    fc.assert(
      fc.property(spells, (steps) => {
        const samples = samplesOf(steps)
        for (const { event, onsetAtMs, trace } of run(samples).changes) {
          if (event !== 'raise') continue
          const since = samples.find(({ sampledAtMs }) => sampledAtMs === onsetAtMs)
          expect(since).toMatchObject({ stopped: true, inZone: false, present: true })
          expect(trace.decidedAtMs - onsetAtMs).toBe(15_000)
          const within = samples.filter(
            ({ sampledAtMs }) => sampledAtMs > onsetAtMs && sampledAtMs < onsetAtMs + 15_000,
          )
          expect(within.every(({ stopped, inZone }) => stopped && !inZone)).toBe(true)
        }
      }),
    )
  })
})
