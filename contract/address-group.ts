/** Whom an IP address stands for when places and tries are counted. */

/**
 * The IPv4 address itself, also when it is written as an IPv6 one (`::ffff:192.0.2.1`); of an IPv6 address its /64, such as
 * `2001:db8:0:1::/64`, because one subscriber commands all addresses of it. `::1` and whatever is no address stay as they
 * are. A zone (`%eth0`) is left out. Total: never throws.
 */
export function addressGroupOf(address: string): string {
  const words = wordsOf(address.replace(/%.*$/s, ''))
  if (words === undefined) return address
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  const [high = 0, low = 0] = words.slice(6)
  if (isMapped) return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
  const isLoopback = words.slice(0, 7).every((word) => word === 0) && low === 1
  if (isLoopback) return '::1'
  const network = words.slice(0, 4).map((word) => word.toString(16))
  return `${network.join(':')}::/64`
}

/** The eight words of 16 bits of an IPv6 address (RFC 4291 §2.2); undefined when it is none. */
function wordsOf(address: string): number[] | undefined {
  if (address.length > ADDRESS_LENGTH_MAX) return undefined
  const halves = withoutDots(address).split('::')
  if (halves.length > 2) return undefined
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const zeroCount = 8 - head.length - tail.length
  if (halves.length === 2 ? zeroCount < 1 : zeroCount !== 0) return undefined
  if (![...head, ...tail].every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined
  return [...head, ...Array<string>(zeroCount).fill('0'), ...tail].map((word) => Number.parseInt(word, 16))
}

/** Length of the longest way to write an IPv6 address. */
const ADDRESS_LENGTH_MAX = 45
const DOTTED_END = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/

/** The same address with an IPv4 address at its end written as two words. */
function withoutDots(address: string): string {
  const found = DOTTED_END.exec(address)
  if (found === null) return address
  const [a = 0, b = 0, c = 0, d = 0] = found.slice(2).map(Number)
  if (Math.max(a, b, c, d) > 255) return address
  return `${found[1] ?? ''}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}
