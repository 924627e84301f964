/** A waiting line with both ends at hand: `push` and `shift` cost the same however long it is. */
export class Line<Item> {
  #items: (Item | undefined)[] = []
  /** Where the first item lies; what is before it is free. */
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }
  get first(): Item | undefined {
    return this.#items[this.#head]
  }

  push(item: Item): void {
    this.#items.push(item)
  }

  /** Puts an item before the first other one that is to come after it; looked for from the front. */
  insert(item: Item, comesAfter: (other: Item) => boolean): void {
    let at = this.#head
    for (let other = this.#items[at]; other !== undefined && !comesAfter(other); other = this.#items[at]) at += 1
    if (at === this.#head && at > 0) {
      this.#head -= 1
      this.#items[this.#head] = item
    } else this.#items.splice(at, 0, item)
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head] = undefined
    this.#head += 1
    if (this.#head >= 64 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}
