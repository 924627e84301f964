import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OutgoingQueue } from '#simulator/outgoing-queue'
import type { Spoken } from '#simulator/simulated-lift'

const spoken = (seq: number): Spoken => ({ kind: 'status', seq, payload: `{"seq":${seq}}` })

describe('the queue of a terminal', () => {
  it('drops the oldest when it is full and counts them', () => {
    const queue = new OutgoingQueue(3)
    queue.put([1, 2, 3, 4, 5].map(spoken))
    expect([queue.take(), queue.take(), queue.take(), queue.take()].map((taken) => taken?.spoken.seq)).toEqual([
      3,
      4,
      5,
      undefined,
    ])
    expect(queue.droppedCount).toBe(2)
  })

  it('sends what was not acknowledged again, before what came later, and knows no ticket of a lost connection', () => {
    const queue = new OutgoingQueue(10)
    queue.put([1, 2, 3].map(spoken))
    const [one, two] = [queue.take(), queue.take()]
    queue.acknowledge(one?.ticket ?? NaN)
    queue.takeBack()
    queue.acknowledge(two?.ticket ?? NaN)
    expect(queue.size).toBe(2)
    expect([queue.take(), queue.take()].map((taken) => taken?.spoken.seq)).toEqual([2, 3])
    expect({ resent: queue.resentCount, published: queue.publishedCount }).toEqual({ resent: 1, published: 3 })
  })

  it('loses nothing that it does not count, whatever happens in whatever order', () => {
    const acts = fc.array(fc.constantFrom('put', 'put', 'take', 'acknowledge', 'takeBack'), { maxLength: 200 })
    fc.assert(
      fc.property(acts, fc.integer({ min: 1, max: 20 }), (script, keptMax) => {
        const queue = new OutgoingQueue(keptMax)
        let seq = 0
        let tickets: { ticket: number; seq: number }[] = []
        const acknowledged: number[] = []
        for (const act of script) {
          if (act === 'put') queue.put([spoken((seq += 1))])
          else if (act === 'take') {
            const taken = queue.take()
            if (taken !== undefined) tickets.push({ ticket: taken.ticket, seq: taken.spoken.seq })
          } else if (act === 'takeBack') {
            queue.takeBack()
            tickets = []
          } else {
            const ticket = tickets.shift()
            if (ticket === undefined) continue
            queue.acknowledge(ticket.ticket)
            acknowledged.push(ticket.seq)
          }
          expect(queue.size + queue.droppedCount + queue.acknowledgedCount).toBe(seq)
          expect(queue.size).toBeLessThanOrEqual(keptMax + 1)
          expect(tickets.map((ticket) => ticket.seq)).toEqual(
            [...tickets.map((ticket) => ticket.seq)].sort((a, b) => a - b),
          )
        }
        expect(new Set(acknowledged).size).toBe(acknowledged.length)
      }),
    )
  })
})
