/** The answer, or a rejection after `waitMs`: a register that never answers must not hold anything up. */
export async function answerWithin<Answer>(waitMs: number, answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${waitMs} ms`)), waitMs)
  })
  try {
    return await Promise.race([answer, late])
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
