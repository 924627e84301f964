import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '#simulator/random'
import { BackOff } from '#simulator/terminal/back-off'

describe('the back-off of a terminal', () => {
  it('doubles up to 30 s, half of it chance, and begins again after a success', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const backOff = new BackOff(new RandomStream(seed))
        const ceilingsMs = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
        for (const ceilingMs of ceilingsMs) {
          const waitMs = backOff.next()
          expect(waitMs).toBeGreaterThanOrEqual(ceilingMs / 2)
          expect(waitMs).toBeLessThan(ceilingMs)
        }
        backOff.reset()
        expect(backOff.next()).toBeLessThan(1000)
      }),
    )
  })

  it('spreads a town that lost its broker in one moment evenly over half a second', () => {
    const waitsMs = Array.from({ length: 10_000 }, (_, index) => new BackOff(new RandomStream(1, index)).next())
    for (let fromMs = 500; fromMs < 1000; fromMs += 50) {
      const inSpan = waitsMs.filter((waitMs) => waitMs >= fromMs && waitMs < fromMs + 50).length
      expect(inSpan).toBeGreaterThan(850)
      expect(inSpan).toBeLessThan(1150)
    }
  })
})
