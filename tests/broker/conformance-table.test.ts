import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

const table = await readFile(new URL('../../broker/CONFORMANCE.md', import.meta.url), 'utf8')
const rows = [...table.matchAll(/^\| (MQTT-[\d.-]+)\s+\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)].map(
  ([, clause = '', statement = '', how = '', why = '']) => ({
    clause,
    statement: statement.trim(),
    how: how.trim(),
    why: why.trim(),
  }),
)

/** Clauses in the names of tests. */
async function clausesTested(): Promise<string[]> {
  const files = (await readdir(import.meta.dirname)).filter((name) => /^conformance-.*\.test\.ts$/.test(name))
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, import.meta.url), 'utf8')))
  const lists = texts.flatMap((text) =>
    [...text.matchAll(/it\(\s*['"`]\[(MQTT-[^\]]+)\]/g)].map(([, list = '']) => list),
  )
  return [...new Set(lists.flatMap((list) => list.split(', ')))].sort()
}

describe('CONFORMANCE.md', () => {
  it('names every normative statement of appendix B once', () => {
    const clauses = rows.map(({ clause }) => clause)
    expect(new Set(clauses).size).toBe(clauses.length)
    const countOf = (prefix: string) => clauses.filter((clause) => clause.startsWith(`MQTT-${prefix}`)).length
    expect(
      Object.fromEntries(
        ['1.', '2.', '3.1.', '3.2.', '3.3.', '3.6.', '3.8.', '3.9.', '3.10.', '3.12.', '3.14.', '4.', '6.', '7.'].map(
          (prefix) => [prefix, countOf(prefix)],
        ),
      ),
    ).toEqual({
      '1.': 3,
      '2.': 9,
      '3.1.': 42,
      '3.2.': 7,
      '3.3.': 18,
      '3.6.': 1,
      '3.8.': 11,
      '3.9.': 2,
      '3.10.': 9,
      '3.12.': 1,
      '3.14.': 4,
      '4.': 26,
      '6.': 4,
      '7.': 4,
    })
  })

  it('says “tested” for exactly the clauses that tests carry in their names', async () => {
    const tested = rows.filter(({ how }) => how === 'tested').map(({ clause }) => clause)
    expect(tested.sort()).toEqual(await clausesTested())
    expect(tested.length).toBeGreaterThan(80)
  })

  it('gives a reason for every clause that is not tested', () => {
    for (const { clause, statement, how, why } of rows) {
      expect(['tested', 'does not apply', 'another way'], clause).toContain(how)
      expect(statement, clause).not.toBe('')
      if (how !== 'tested') expect(why, clause).not.toBe('')
    }
  })
})
