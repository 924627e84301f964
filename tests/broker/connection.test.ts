import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Connection } from '#broker/connection'

/** Nobody counts these places. */
const place = { ask: () => {}, admit: () => {}, leave: () => {} }

describe('what a connection may say at once', () => {
  it('is its burst, whole, at whatever fraction of a millisecond, and one more only after its wait', () => {
    fc.assert(
      fc.property(
        // A clock that counts nanoseconds, up to a year of them.
        fc.double({ min: 0, max: 31_536_000_000, noNaN: true }),
        fc.double({ min: 0.01, max: 10_000, noNaN: true }),
        fc.integer({ min: 1, max: 500 }),
        (elapsedMs, publicationsPerSecondMax, publicationBurstMax) => {
          const connection = new Connection({
            conn: new PassThrough(),
            address: '127.0.0.1',
            place,
            limits: { inFlightMax: 1_000, publicationsPerSecondMax, publicationBurstMax },
          })
          for (let count = 0; count < publicationBurstMax; count += 1) {
            expect(connection.heldBy(elapsedMs)).toBeUndefined()
            connection.countPublication(elapsedMs)
          }
          expect(connection.heldBy(elapsedMs)).toBe('rate')
          expect(connection.rateWaitMs(elapsedMs)).toBeCloseTo(1000 / publicationsPerSecondMax, 2)
          expect(connection.heldBy(elapsedMs + 1000 / publicationsPerSecondMax)).toBeUndefined()
        },
      ),
    )
  })
})
