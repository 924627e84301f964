/** One day of a town on the virtual clock, from midnight to midnight, with every byte that its terminals say. */
import { createHash } from 'node:crypto'
import { deviceTopic } from '#contract/topics'
import type { Truth } from '#simulator/lift/truth'
import { kindOf } from '#simulator/terminal/sensing'
import { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'

/** A Wednesday. */
export const DAY_FROM_MS = Date.parse('2026-03-04T00:00:00+08:00')
export const DAY_MS = 24 * 3600_000
const STEP_MS = 3600_000

export type DayFigures = {
  readonly seed: number
  readonly liftCount: number
  readonly wallS: number
  readonly cpuS: number
  readonly messageCount: number
  readonly bytes: number
  readonly sha256: string
  /** Groups that were carried to where they wanted. */
  readonly rideCount: number
  /** Persons in them. */
  readonly personCount: number
  readonly startCount: number
  readonly doorCycleCount: number
  readonly energyKWh: number
  readonly distanceM: number
}

export function dayOf(seed: number, liftCount: number): DayFigures {
  const hash = createHash('sha256')
  const sums = { messageCount: 0, bytes: 0, rideCount: 0, personCount: 0 }
  const counted = { startCount: 0, doorCycleCount: 0, energyKWh: 0, distanceM: 0 }
  const before = { wallMs: performance.now(), cpu: process.cpuUsage() }
  const town = generateTown({ seed, liftCount, boundAtMs: DAY_FROM_MS })
  for (const [index, { serial, lift: id }] of town.terminals.entries()) {
    const lift = town.lifts[index]
    if (lift === undefined) throw new Error('terminals are in the order of the lifts')
    const rides = new RideCount()
    const simulated = new SimulatedLift({
      ...{ lift, serial, seed, speed: 1, startAtMs: DAY_FROM_MS, pattern: 'real', kind: kindOf(seed, serial) },
      onTruth: (truth) => rides.hear(truth),
    })
    const from = simulated.counted.lift
    const say = (spoken: ReturnType<SimulatedLift['advance']>): void => {
      for (const { kind, payload } of spoken) {
        const text = `${deviceTopic(id, kind)} ${payload}\n`
        hash.update(text)
        sums.messageCount += 1
        sums.bytes += Buffer.byteLength(payload)
      }
    }
    say(simulated.greet(DAY_FROM_MS))
    for (let atMs = DAY_FROM_MS + STEP_MS; atMs <= DAY_FROM_MS + DAY_MS; atMs += STEP_MS) say(simulated.advance(atMs))
    const to = simulated.counted.lift
    counted.startCount += to.runCount - from.runCount
    counted.doorCycleCount += to.doorOpenCount - from.doorOpenCount
    counted.energyKWh += to.energyKWh - from.energyKWh
    counted.distanceM += to.distanceM - from.distanceM
    sums.rideCount += rides.rideCount
    sums.personCount += rides.personCount
  }
  const { user, system } = process.cpuUsage(before.cpu)
  const wallS = (performance.now() - before.wallMs) / 1000
  return { seed, liftCount, wallS, cpuS: (user + system) / 1e6, sha256: hash.digest('hex'), ...sums, ...counted }
}

/** People get out in groups: each time the number of those delivered has grown, a group has left the car. */
class RideCount {
  #deliveredCount: number | undefined
  rideCount = 0
  personCount = 0

  hear({ deliveredCount }: Truth): void {
    const before = this.#deliveredCount ?? deliveredCount
    this.#deliveredCount = deliveredCount
    if (deliveredCount === before) return
    this.rideCount += 1
    this.personCount += deliveredCount - before
  }
}
