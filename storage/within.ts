/** Waits that end: whatever is waited for goes on, but nobody waits for it any longer. */

/** The answer; after `waitMs` a rejection with `late`. */
export async function answerWithin<Answer>(
  waitMs: number,
  answer: Promise<Answer>,
  late: () => Error = () => new Error(`no answer within ${waitMs} ms`),
): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), waitMs)
  })
  try {
    return await Promise.race([answer, tooLate])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for the end of work, at most `waitMs`. Rejects only when the work does. */
export async function waitAtMost(waitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  try {
    await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, waitMs)))])
  } finally {
    clearTimeout(timer)
  }
}
