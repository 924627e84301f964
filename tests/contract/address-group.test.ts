import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressGroupOf } from '#contract/address-group'

describe('the group of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
  ])('of %s is the IPv4 address %s', (address, group) => {
    expect(addressGroupOf(address)).toBe(group)
  })

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8:1:2::192.0.2.1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3:4:5::', '2001:db8:1:2::/64'],
    ['::', '0:0:0:0::/64'],
  ])('of %s is its network %s', (address, group) => {
    expect(addressGroupOf(address)).toBe(group)
  })

  it('leaves the loopback of IPv6 as it is', () => {
    expect(addressGroupOf('::1')).toBe('::1')
    expect(addressGroupOf('0:0:0:0:0:0:0:1')).toBe('::1')
  })

  it.each(['', 'unknown', '300.1.2.3', '1:2:3', '1:2:3:4:5:6:7:8:9', ':::', '1::2::3', '::12345', '::ffff:1.2.3.256'])(
    'leaves %j as it is, which is no address of IPv6',
    (text) => {
      expect(addressGroupOf(text)).toBe(text)
    },
  )

  it('is the same for two addresses of one network, however they are written, and another in the next network', () => {
    const word = fc.integer({ min: 0, max: 0xffff })
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word, word, word), (network, host) => {
        fc.pre(network.some((part) => part !== 0))
        const text = (words: readonly number[]) => words.map((part) => part.toString(16)).join(':')
        const group = addressGroupOf(text([...network, ...host]))
        expect(group).toBe(addressGroupOf(`${text(network)}::`))
        expect(group).not.toBe(addressGroupOf(`${text([...network.slice(0, 3), (network[3] ?? 0) ^ 1])}::`))
      }),
      { seed: 6, numRuns: 200 },
    )
  })

  it('never throws, and takes nothing for a network that Node does not take for an address', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[0-9a-f:.%]{0,50}$/),
      fc.ipV6(),
      fc.tuple(fc.ipV6(), fc.string({ maxLength: 3 })).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        if (!isIPv6(text.replace(/%.*$/s, ''))) expect(addressGroupOf(text)).toBe(text)
        else expect(addressGroupOf(text)).toMatch(/^(\d+\.){3}\d+$|::\/64$|^::1$/)
      }),
      { seed: 7, numRuns: 2_000 },
    )
  })
})
