import type { MessageKind } from '#contract/topics'

/** One thing that a terminal says in a round of its lift. */
export type Saying = {
  /** From the beginning of the round. */
  readonly atMs: number
  readonly kind: MessageKind
  readonly fields: Record<string, unknown>
  /** Said only because it is time, while somebody is inside. */
  readonly isBusyBeat?: boolean
  /** Says that the car moves. */
  readonly isMoving?: boolean
}

/** How long a round takes: a ride, a fault, and a rest of more than a minute. */
export const ROUND_MS = 140_000

const status = (atS: number, fields: Record<string, unknown>, marks: Partial<Saying> = {}): Saying => ({
  atMs: atS * 1000,
  kind: 'status',
  fields: {
    serviceMode: 1,
    carStatus: 0,
    carDirection: 0,
    doorZone: true,
    carPosition: '1',
    doorStatus: 2,
    doorClosed: true,
    passengerPresent: false,
    ...fields,
  },
  ...marks,
})

/** What is said in a round, in order. Even rounds go up, odd ones down. */
export function rideAt(round: number): readonly Saying[] {
  const [from, to] = round % 2 === 0 ? ['1', '2'] : ['2', '1']
  const inside = { passengerPresent: true, carPosition: to }
  const open = { ...inside, doorStatus: 4, doorClosed: false }
  const fault = {
    id: `f-${round}`,
    codeSet: 'gbt24476',
    code: 2,
    kind: 'fault',
    snapshot: { carPosition: to, doorClosed: true },
  }
  const moving = { carStatus: 1, carDirection: 1, doorZone: false, passengerPresent: true }
  const counters = (step: number) => ({ runCount: 1000 + round * 2 + step, doorOpenCount: 3000 + round * 2 + step })
  return [
    status(0, { carPosition: from }),
    status(2, { ...moving, carPosition: from }, { isMoving: true }),
    { atMs: 5000, kind: 'statistics', fields: counters(0) },
    status(6, { ...moving, carPosition: to }, { isMoving: true }),
    status(10, { ...inside, doorStatus: 3, doorClosed: false }),
    status(12, open),
    status(20, open, { isBusyBeat: true }),
    status(28, open, { isBusyBeat: true }),
    status(36, open, { isBusyBeat: true }),
    status(44, open, { isBusyBeat: true }),
    status(48, { carPosition: to }),
    { atMs: 50_000, kind: 'message', fields: { ...fault, raised: true } },
    { atMs: 60_000, kind: 'message', fields: { ...fault, raised: false } },
    { atMs: 65_000, kind: 'statistics', fields: counters(1) },
    status(103, { carPosition: to }),
  ]
}
