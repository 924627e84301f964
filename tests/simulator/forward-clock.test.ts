import fc from 'fast-check'
import { expect, it } from 'vitest'
import { forwardClock } from '#simulator/forward-clock'

it('a clock that was set back by an hour goes on from where it was, at once', () => {
  let wallMs = 10_000_000
  const nowMs = forwardClock(() => wallMs)
  expect(nowMs()).toBe(10_000_000)
  wallMs -= 3600_000
  expect(nowMs()).toBe(10_000_000)
  wallMs += 5000
  expect(nowMs()).toBe(10_005_000)
  // Back by a little: it stands still until the other has caught up.
  wallMs -= 400
  expect(nowMs()).toBe(10_005_000)
  wallMs += 500
  expect(nowMs()).toBe(10_005_100)
  // Set on: followed.
  wallMs += 3600_000
  expect(nowMs()).toBe(13_605_100)
})

it('never goes back, and no step back of the other holds it up for longer than a second', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -7200_000, max: 60_000 })), (stepsMs) => {
      let wallMs = 1e12
      const nowMs = forwardClock(() => wallMs)
      let toldMs = nowMs()
      for (const stepMs of stepsMs) {
        wallMs += stepMs
        const beforeMs = nowMs()
        expect(beforeMs).toBeGreaterThanOrEqual(toldMs)
        wallMs += 1500
        toldMs = nowMs()
        expect(toldMs - beforeMs).toBeGreaterThanOrEqual(500)
      }
    }),
  )
})
