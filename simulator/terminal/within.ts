/** Waits for a promise, but no longer than `limitMs`; how it ends is of no interest. */
export async function within(limitMs: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)))
  await Promise.race([
    promise.then(
      () => {},
      () => {},
    ),
    limit,
  ])
  clearTimeout(timer)
}
