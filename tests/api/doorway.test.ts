import { describe, expect, it } from 'vitest'
import { Doorway } from '#api/northbound/doorway'
import { SUBSCRIBER_LIMITS } from '#api/northbound/limits'
import type { Place } from '#contract/places'

const LIMITS = { ...SUBSCRIBER_LIMITS, connectionsMax: 4, halfOpenMax: 3, halfOpenPerAddressMax: 2 }
const houseOf = () => {
  const doorway = new Doorway(LIMITS, () => 1_000)
  const cutNames: string[] = []
  const enter = (name: string, address = `192.0.2.${name}`): Place => {
    const place = doorway.enter(address, () => cutNames.push(name))
    if (typeof place === 'string') throw new Error(place)
    return place
  }
  return { doorway, cutNames, enter }
}

describe('the doorway of subscribers', () => {
  it('lets the oldest that said nothing give way when too many did not sign in', () => {
    const { doorway, cutNames, enter } = houseOf()
    const first = enter('1')
    enter('2')
    enter('3')
    first.ask()
    enter('4')
    expect(cutNames).toEqual(['2'])
    enter('5')
    expect(cutNames).toEqual(['2', '3'])
    expect(doorway.insideCount).toBe(3)
  })

  it('is full when all have asked, and never cuts one that signed in', () => {
    const { doorway, cutNames, enter } = houseOf()
    enter('1').admit()
    for (const name of ['2', '3', '4']) enter(name).ask()
    expect(doorway.enter('192.0.2.5', () => {})).toBe('subscriber.full')
    expect(cutNames).toEqual([])
  })

  it('takes a place back once, whether it gave way or left', () => {
    const { doorway, enter } = houseOf()
    const places = ['1', '2', '3', '4'].map((name) => enter(name))
    for (const place of [...places, ...places]) place.leave()
    expect(doorway.insideCount).toBe(0)
    for (const name of ['1', '2', '3']) enter(name)
    expect(doorway.insideCount).toBe(3)
  })

  it('counts the addresses of one IPv6 network as one', () => {
    const { doorway, enter } = houseOf()
    enter('1', '2001:db8:0:1::1')
    enter('2', '2001:db8:0:1::2')
    expect(doorway.enter('2001:db8:0:1::3', () => {})).toBe('subscriber.full')
    enter('3', '2001:db8:0:2::1')
  })
})
