import { describe, expect, it } from 'vitest'
import { NatsDropping } from '#storage/journal/nats-dropping'

const S = 1_000

describe('dropping what is processed', () => {
  it('waits until all copies have been whole for ten seconds, counted anew after each gap', () => {
    const dropping = new NatsDropping(1_000)
    dropping.note({ bytes: 250, copies: 'whole' }, 0)
    expect(dropping.isDue(5, 9 * S)).toBe(false)
    dropping.note({ bytes: 250, copies: 'missing' }, 9 * S)
    dropping.note({ bytes: 250, copies: 'whole' }, 10 * S)
    expect(dropping.isDue(5, 19 * S)).toBe(false)
    expect(dropping.isDue(5, 20 * S)).toBe(true)
  })

  it('waits until a quarter of a cluster is used', () => {
    const dropping = new NatsDropping(1_000)
    dropping.note({ bytes: 249, copies: 'whole' }, 0)
    expect(dropping.isDue(5, 60 * S)).toBe(false)
    dropping.note({ bytes: 250, copies: 'whole' }, 60 * S)
    expect(dropping.isDue(5, 60 * S)).toBe(true)
  })

  it('waits for nothing on one server', () => {
    const dropping = new NatsDropping(1_000)
    dropping.note({ bytes: 10, copies: 'one' }, 0)
    expect(dropping.isDue(5, 0)).toBe(true)
  })

  it('is done at most every half minute, and not twice for the same position', () => {
    const dropping = new NatsDropping(1_000)
    dropping.note({ bytes: 10, copies: 'one' }, 0)
    dropping.done(5, 0)
    expect(dropping.isDue(6, 29 * S)).toBe(false)
    expect(dropping.isDue(6, 30 * S)).toBe(true)
    expect(dropping.isDue(5, 30 * S)).toBe(false)
  })

  it('is done although a copy is missing when the stream is crowded', () => {
    const dropping = new NatsDropping(1_000)
    dropping.note({ bytes: 749, copies: 'missing' }, 0)
    expect(dropping.isDue(5, 0)).toBe(false)
    dropping.note({ bytes: 750, copies: 'missing' }, 0)
    expect(dropping.isDue(5, 0)).toBe(true)
  })
})
