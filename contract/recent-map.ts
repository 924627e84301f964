/** A map with a bound: what was used longest ago makes room, and is counted. */
export class RecentMap<Key, Value> {
  readonly #values = new Map<Key, Value>()
  readonly #sizeMax: number
  #droppedCount = 0

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
  }

  get size(): number {
    return this.#values.size
  }

  get droppedCount(): number {
    return this.#droppedCount
  }

  get(key: Key): Value | undefined {
    const value = this.#values.get(key)
    if (value !== undefined) this.#touch(key, value)
    return value
  }

  set(key: Key, value: Value): void {
    this.#touch(key, value)
    if (this.#values.size <= this.#sizeMax) return
    const oldest = this.#values.keys().next()
    if (oldest.done === true) return
    this.#values.delete(oldest.value)
    this.#droppedCount += 1
  }

  delete(key: Key): void {
    this.#values.delete(key)
  }

  /** Looks without counting it as a use. */
  peek(key: Key): Value | undefined {
    return this.#values.get(key)
  }

  /** What was used longest ago comes first. */
  values(): IterableIterator<Value> {
    return this.#values.values()
  }

  clear(): void {
    this.#values.clear()
  }

  #touch(key: Key, value: Value): void {
    this.#values.delete(key)
    this.#values.set(key, value)
  }
}
