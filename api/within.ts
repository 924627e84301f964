/** Waits for the work to end, but no longer than this; it goes on then, and nobody waits for it. Rejects as the work does. */
export async function within(waitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, waitMs)))
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
