import { Duplex } from 'node:stream'

/** Two ends of one stream, in memory: what is written to one is read from the other. */
export function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const end = (other: () => Duplex | undefined) =>
    new Duplex({
      read: () => {},
      write(chunk: unknown, _encoding, done) {
        other()?.push(chunk)
        done()
      },
      final(done) {
        other()?.push(null)
        done()
      },
    })
  const first = end(() => ends[1])
  const second = end(() => ends[0])
  ends.push(first, second)
  return [first, second]
}
