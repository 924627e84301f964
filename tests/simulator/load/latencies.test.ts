import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Latencies } from '#simulator/load/latencies'

const times = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 300 })
const of = (all: readonly number[]): Latencies => {
  const latencies = new Latencies()
  for (const ms of all) latencies.add(ms)
  return latencies
}

describe('latencies', () => {
  it('are never told too short, and at most 1/64 and 1 µs too long', () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
        const sorted = [...all].sort((a, b) => a - b)
        const exact = sorted[Math.ceil(all.length * share) - 1] ?? NaN
        const told = of(all).quantileMs(share)
        expect(told).toBeGreaterThanOrEqual(exact)
        expect(told).toBeLessThanOrEqual(exact * (1 + 1 / 64) + 0.001)
        expect(of(all).maxMs).toBe(sorted.at(-1))
      }),
    )
  })

  it('of several processes are those of all together, and a span is what came within it', () => {
    fc.assert(
      fc.property(times, times, (one, other) => {
        const both = of([...one, ...other])
        const sum = new Latencies(of(one).told).plus(new Latencies(of(other).told))
        expect(sum.told).toEqual(both.told)
        const span = both.since(of(one))
        expect(span.told.counts).toEqual(of(other).told.counts)
        expect(span.count).toBe(other.length)
        expect(span.maxMs).toBeGreaterThanOrEqual(Math.max(...other))
      }),
    )
  })

  it('are unknown when there are none, and bounded when they are endless', () => {
    expect(new Latencies().quantileMs(0.99)).toBeNaN()
    const endless = of([Infinity, 1])
    expect(endless.count).toBe(2)
    expect(endless.quantileMs(0.5)).toBeCloseTo(1, 1)
  })
})
