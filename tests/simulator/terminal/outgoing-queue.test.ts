import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MessageKind } from '#contract/topics'
import { IN_ORDER_MAX, OutgoingQueue } from '#simulator/terminal/outgoing-queue'
import type { Spoken } from '#simulator/terminal/simulated-lift'

const spoken = (seq: number, kind: MessageKind = 'status'): Spoken => ({ kind, seq, payload: `{"seq":${seq}}` })
/** Takes one, as if it went onto the wire. */
const send = (queue: OutgoingQueue, nowMs = 0) => {
  const taken = queue.take(nowMs)
  if (taken !== undefined) queue.sent(taken.ticket)
  return taken
}
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('the queue of a terminal', () => {
  it('drops the oldest when it is full and counts them', () => {
    const queue = new OutgoingQueue({ keptMax: 3 })
    queue.put([1, 2, 3, 4, 5].map((seq) => spoken(seq)))
    expect([send(queue), send(queue), send(queue), send(queue)].map((taken) => taken?.spoken.seq)).toEqual([
      3,
      4,
      5,
      undefined,
    ])
    expect(queue.droppedCount).toBe(2)
  })

  it('throws away statuses first, then counters and greetings, and faults and alarms last', () => {
    const queue = new OutgoingQueue({ keptMax: 4 })
    queue.put([spoken(1, 'message'), spoken(2), spoken(3, 'statistics'), spoken(4), spoken(5, 'message'), spoken(6)])
    const left = () => {
      queue.takeBack()
      return range(1, queue.size).map(() => send(queue)?.spoken.seq)
    }
    expect(left()).toEqual([1, 3, 5, 6])
    queue.takeBack()
    queue.put([spoken(7, 'message')])
    expect(left()).toEqual([1, 3, 5, 7])
    queue.takeBack()
    queue.put([spoken(8, 'message')])
    expect(left()).toEqual([1, 5, 7, 8])
    queue.takeBack()
    queue.put([spoken(9, 'message')])
    expect(left()).toEqual([5, 7, 8, 9])
    expect(queue.droppedCount).toBe(5)
  })

  it('sends what was not acknowledged again, before what came later, and knows no ticket of a lost connection', () => {
    const queue = new OutgoingQueue({ keptMax: 10 })
    queue.put([1, 2, 3].map((seq) => spoken(seq)))
    const [one, two] = [send(queue), send(queue)]
    queue.acknowledge(one?.ticket ?? NaN)
    queue.takeBack()
    queue.acknowledge(two?.ticket ?? NaN)
    expect(queue.size).toBe(2)
    expect([send(queue), send(queue)].map((taken) => [taken?.spoken.seq, taken?.isRedelivered])).toEqual([
      [2, true],
      [3, false],
    ])
    expect({ resent: queue.resentCount, published: queue.publishedCount }).toEqual({ resent: 1, published: 3 })
  })

  it('sends a little that was kept in the order of speaking, and much beside what happens then, at a bounded rate', () => {
    const queue = new OutgoingQueue({ latePerS: 10 })
    queue.put(range(1, IN_ORDER_MAX).map((seq) => spoken(seq)))
    queue.reconnected(false)
    queue.put([spoken(IN_ORDER_MAX + 1)])
    expect([send(queue)?.spoken.seq, queue.lateDueAtMs]).toEqual([1, Infinity])
    queue.put([spoken(IN_ORDER_MAX + 2)])
    queue.takeBack()
    queue.reconnected(false)
    queue.put([spoken(1000)])
    const atMs = 1_000_000
    const firstTaken = send(queue, atMs)
    expect([firstTaken?.spoken.seq, firstTaken?.lane]).toEqual([1000, 'live'])
    const late: (number | undefined)[] = []
    for (let ms = 0; ms < 10_000; ms += 50) {
      const taken = send(queue, atMs + ms)
      if (taken !== undefined) late.push(taken.spoken.seq)
    }
    expect(late).toEqual(range(1, late.length))
    expect(late.length).toBeGreaterThan(95)
    expect(late.length).toBeLessThanOrEqual(106)
  })

  it('sends what the terminal did not take note of once more, and counts it once as acknowledged', () => {
    const queue = new OutgoingQueue()
    queue.put([spoken(1), spoken(2)])
    const one = send(queue)
    queue.overlook(one?.ticket ?? NaN)
    const again = send(queue)
    expect([again?.spoken.seq, again?.isRedelivered]).toEqual([1, false])
    queue.acknowledge(again?.ticket ?? NaN)
    expect([queue.acknowledgedCount, queue.resentCount, queue.size]).toEqual([1, 1, 1])
  })

  it('loses nothing that it does not count and keeps the order of each lane, whatever happens in whatever order', () => {
    const kinds = fc.constantFrom<MessageKind>('status', 'status', 'statistics', 'message', 'connection')
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.record({ act: fc.constant('put' as const), kind: kinds }) },
      {
        weight: 6,
        arbitrary: fc.record({
          act: fc.constantFrom('take', 'take', 'acknowledge', 'overlook', 'takeBack', 'reconnect', 'forget'),
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (script, keptMax) => {
        const queue = new OutgoingQueue({ keptMax })
        let [seq, atMs] = [0, 0]
        let tickets: { ticket: number; seq: number }[] = []
        let lastOf = { late: 0, live: 0 }
        const acknowledged: number[] = []
        for (const step of script) {
          atMs += 40
          if (step.act === 'put' && 'kind' in step) queue.put([spoken((seq += 1), step.kind)])
          else if (step.act === 'take') {
            const taken = send(queue, atMs)
            if (taken === undefined) continue
            expect(taken.spoken.seq).toBeGreaterThan(lastOf[taken.lane])
            lastOf[taken.lane] = taken.spoken.seq
            tickets.push({ ticket: taken.ticket, seq: taken.spoken.seq })
          } else if (step.act === 'acknowledge' || step.act === 'overlook') {
            const ticket = tickets.shift()
            if (ticket === undefined) continue
            queue[step.act](ticket.ticket)
            if (step.act === 'acknowledge') acknowledged.push(ticket.seq)
            // The same again may come now.
            else lastOf = { late: Math.min(lastOf.late, ticket.seq - 1), live: Math.min(lastOf.live, ticket.seq - 1) }
          } else {
            if (step.act === 'forget') queue.forget()
            else queue.takeBack()
            if (step.act === 'reconnect') queue.reconnected(seq % 2 === 0)
            tickets = []
            lastOf = { late: 0, live: 0 }
          }
          expect(queue.size + queue.droppedCount + queue.acknowledgedCount).toBe(seq)
          expect(queue.spokenCount).toBe(seq)
          expect(queue.waitingCount).toBeLessThanOrEqual(keptMax)
          expect(queue.publishedCount).toBeLessThanOrEqual(seq)
        }
        expect(new Set(acknowledged).size).toBe(acknowledged.length)
      }),
      { numRuns: 300 },
    )
  })
})
