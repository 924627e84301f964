/** Ends what was started, newest first. */
export class AsyncDisposables implements AsyncDisposable {
  readonly #started: AsyncDisposable[] = []
  add<T extends AsyncDisposable>(started: T): T {
    this.#started.push(started)
    return started
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started.splice(0).reverse()) await started[Symbol.asyncDispose]()
  }
}
