/** Tells what is really so with a lift when people, who is trapped, or its fault have changed; nothing twice. */
import type { LiftPlan, LiftState } from '../lift/lift-state.ts'
import { truthAt, type Truth } from '../lift/truth.ts'

export class TruthTeller {
  readonly #plan: LiftPlan
  readonly #onTruth: (truth: Truth) => void
  #told = ''

  constructor(plan: LiftPlan, onTruth: (truth: Truth) => void) {
    this.#plan = plan
    this.#onTruth = onTruth
  }

  look(state: LiftState, atMs: number): void {
    const truth = truthAt(this.#plan, state, atMs)
    const { peopleInCar, peopleWaiting, deliveredCount, stairsCount, trapped, fault } = truth
    const told = JSON.stringify([peopleInCar, peopleWaiting, deliveredCount, stairsCount, trapped, fault])
    if (told === this.#told) return
    this.#told = told
    this.#onTruth(truth)
  }
}
