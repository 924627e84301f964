/** Answers questions about periods; also in a process of another time zone. */
import { periodsOf, readPeriodRange, type Period } from '#api/figure-ranges'

const NOW = Date.parse('2026-11-21T10:20:00Z')

export const answersTo = (questions: readonly { period: Period; from: string; to: string }[]): string =>
  JSON.stringify(
    questions.map(({ period, from, to }) => {
      const range = readPeriodRange({ period, from, to, nowMs: NOW })
      const periods = range.ok ? periodsOf(period, range.value) : range
      return periods.ok ? periods.value : periods.detail
    }),
  )
