/** Asks the parts of this process whether they can be used. For the health of the API and for a process without it. */
import { answerWithin } from '#storage/within'

/** A check that takes longer counts as failed. */
export const CHECK_MS_MAX = 2_000

/** `check` rejects with the reason when the part cannot be used. */
export type PartCheck = { readonly part: string; readonly check: () => Promise<void> }

/** The parts whose check rejects, or does not answer in time, in the order of the checks. */
export async function failingParts(checks: readonly PartCheck[]): Promise<{ part: string; reason: string }[]> {
  const results = await Promise.all(
    checks.map(async ({ part, check }) => {
      const answer = answerWithin(CHECK_MS_MAX, Promise.resolve().then(check))
      const reason = await answer.then(() => undefined, reasonOf)
      return reason === undefined ? undefined : { part, reason }
    }),
  )
  return results.filter((row) => row !== undefined)
}

/** The reason for people, without credentials that a driver may have put into its message. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return (text === '' ? 'failed' : text).replace(/\/\/[^\s/@]*@/g, '//').slice(0, 200)
}
