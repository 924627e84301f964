/**
 * One thing after the other for each name: the next is sent when the one before was answered. When one fails, those that wait
 * behind it fail too, unsent: so what a server has kept of one name is in order, and without a gap before the newest. The
 * answers of one name come in the order of its calls; no name waits for another.
 */
export class Lanes {
  readonly #last = new Map<string, Promise<number | Error>>()

  /** `send` resolves with a number or rejects; the answer resolves with the number or the error. */
  run(name: string, send: () => Promise<number>): Promise<number | Error> {
    const before = this.#last.get(name)
    const sent =
      before === undefined
        ? send()
        : before.then((answer) => {
            if (answer instanceof Error) throw answer
            return send()
          })
    const answer = sent.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
    this.#last.set(name, answer)
    void answer.then(() => {
      if (this.#last.get(name) === answer) this.#last.delete(name)
    })
    return answer
  }
}
