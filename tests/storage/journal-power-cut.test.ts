import { describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'
import { chanceOf } from '../chance.ts'
import { powerCuts } from './journal-power-cut.ts'

describe('power cuts of a file journal', () => {
  it('loses nothing that was acknowledged, keeps its order, and forgets no commit', { timeout: 180_000 }, async () => {
    await using folder = await tempFolder('journal-power-cut')
    const report = await powerCuts({ folder: folder.path, roundCount: 5, chance: chanceOf(7) })
    expect(report).toMatchObject({ lost: [], isInOrder: true, forgottenCommitCount: 0 })
    expect(report.acknowledgedCount).toBeGreaterThan(500)
  })
})
