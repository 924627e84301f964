import { describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'
import { powerCuts } from './journal-power-cut.ts'

/** Numbers in [0, 1) that look like chance and are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe('power cuts of a file journal', () => {
  it('loses nothing that was acknowledged, keeps its order, and forgets no commit', { timeout: 180_000 }, async () => {
    await using folder = await tempFolder('journal-power-cut')
    const report = await powerCuts({ folder: folder.path, roundCount: 5, chance: seeded(7) })
    expect(report).toMatchObject({ lost: [], isInOrder: true, forgottenCommitCount: 0 })
    expect(report.acknowledgedCount).toBeGreaterThan(500)
  })
})
