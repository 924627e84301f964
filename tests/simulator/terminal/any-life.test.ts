import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LIFT_FAULT_NAMES } from '#simulator/lift/faults'
import { TERMINAL_KIND_NAMES } from '#simulator/terminal/sensing'
import type { SimulatedLift, Spoken } from '#simulator/terminal/simulated-lift'
import { TERMINAL_FAULT_NAMES } from '#simulator/terminal/terminal-faults'
import { fitting } from '../lift/lift-under-test.ts'
import { HOUR_MS, liftOf, MORNING_MS } from './terminal-lift.ts'

type Deed = { readonly afterMs: number; readonly do: (lift: SimulatedLift, atMs: number) => Spoken[] }

const kindOfDeed = fc.oneof(
  fc
    .record({
      name: fc.constantFrom(...LIFT_FAULT_NAMES, ...TERMINAL_FAULT_NAMES),
      durationMs: fc.integer({ min: 1, max: HOUR_MS / 3 }),
    })
    .map(
      ({ name, durationMs }): Deed['do'] =>
        (lift, atMs) =>
          lift.play(name, durationMs, atMs).spoken,
    ),
  fc.constant<Deed['do']>((lift, atMs) => lift.rescue(atMs).spoken),
  fc.constant<Deed['do']>((lift, atMs) => lift.greet(atMs)),
  fc
    .record({ from: fc.nat(5), way: fc.integer({ min: 1, max: 5 }), massKg: fc.integer({ min: 40, max: 380 }) })
    .map(({ from, way, massKg }): Deed['do'] => {
      const group = { count: 1 + (massKg % 3), massKg, from, to: (from + way) % 6, transferMs: 2000 }
      return (lift, atMs) => lift.call(fitting(lift.plan, group), atMs).spoken
    }),
)
const moments = fc.integer({ min: 0, max: HOUR_MS })
const deeds = fc.array(
  fc.record({ afterMs: moments, do: kindOfDeed }).map((deed): Deed => deed),
  { minLength: 1, maxLength: 14 },
)

it('a terminal says the same bytes whatever is done to it and its lift, however the time is cut', () => {
  const lives = fc.record({
    kind: fc.constantFrom(...TERMINAL_KIND_NAMES),
    index: fc.nat(119),
    seed: fc.nat(1000),
    script: deeds,
    cuts: fc.array(moments, { maxLength: 80 }),
  })
  fc.assert(
    fc.property(lives, ({ kind, index, seed, script, cuts }) => {
      const said = (cutsMs: readonly number[]) => {
        const lift = liftOf({ kind, index, seed })
        const spoken = lift.greet(MORNING_MS)
        const advances = cutsMs.map((afterMs): Deed => ({ afterMs, do: (one, atMs) => one.advance(atMs) }))
        const all = [...script, ...advances].sort((a, b) => a.afterMs - b.afterMs)
        for (const deed of all) spoken.push(...deed.do(lift, MORNING_MS + deed.afterMs))
        spoken.push(...lift.advance(MORNING_MS + 2 * HOUR_MS))
        return spoken.map(({ payload }) => payload).join('\n')
      }
      expect(said(cuts)).toBe(said([]))
    }),
    { numRuns: 80 },
  )
}, 120_000)
