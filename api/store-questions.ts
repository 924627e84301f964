/** Questions to the telemetry store: at most so many at once, each with an end. */
import type { ServerResponse } from 'node:http'
import { Refusal } from './problems.ts'

/** Questions under way at one time; more are refused, not queued. */
const QUESTIONS_MAX = 16
const QUESTION_MS_MAX = 10_000

export type Questions = {
  /** Runs the question with a signal that aborts when it takes too long or the asker has gone. */
  ask<T>(answerTo: ServerResponse, question: (signal: AbortSignal) => Promise<T>): Promise<T>
}

export function openQuestions(o: { questionsMax?: number; questionMsMax?: number } = {}): Questions {
  const { questionsMax = QUESTIONS_MAX, questionMsMax = QUESTION_MS_MAX } = o
  let underWay = 0
  return {
    async ask(answerTo, question) {
      if (underWay >= questionsMax)
        throw new Refusal('request.tooMany', 'Too many questions about history at one time', { retryAfterS: 1 })
      const abort = new AbortController()
      const gone = () => abort.abort(new Refusal('request.invalid', 'The asker has gone'))
      const tooLate = new Refusal('store.away', `The telemetry store gave no answer within ${questionMsMax} ms`, {
        retryAfterS: 5,
      })
      answerTo.once('close', gone)
      const timer = setTimeout(() => abort.abort(tooLate), questionMsMax)
      underWay += 1
      try {
        return await Promise.race([question(abort.signal), rejectionOf(abort.signal)])
      } finally {
        underWay -= 1
        clearTimeout(timer)
        answerTo.off('close', gone)
      }
    },
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Refusal), { once: true }),
  )
}
