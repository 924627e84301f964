import type { Slot } from './session.ts'

/** The line of slots that are free to say something, first come, first served: so every session has its turn. */
export class FreeSlots {
  #first: Slot | undefined
  #last: Slot | undefined

  put(slot: Slot): void {
    slot.isInLine = true
    slot.next = undefined
    if (this.#last === undefined) this.#first = slot
    else this.#last.next = slot
    this.#last = slot
  }

  /** The next one whose session is held. Those of other sessions leave the line, and come back with their connection. */
  take(): Slot | undefined {
    for (let slot = this.#first; slot !== undefined; slot = this.#first) {
      this.#first = slot.next
      if (this.#first === undefined) this.#last = undefined
      slot.next = undefined
      slot.isInLine = false
      if (slot.session.state === 'held') return slot
    }
    return undefined
  }

  clear(): void {
    for (let slot = this.#first; slot !== undefined;) {
      const { next } = slot
      slot.isInLine = false
      slot.next = undefined
      slot = next
    }
    this.#first = undefined
    this.#last = undefined
  }
}
