/** Power cuts of the file journal: the writer dies, and what the disk had not been asked to keep is spoiled. */
import { chanceOf } from '../chance.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { powerCuts } from '../storage/journal-power-cut.ts'
import type { KillReport } from './kill-report.ts'

export async function cutPower({ rounds, seed }: { rounds: number; seed: number }): Promise<KillReport> {
  await using folder = await tempFolder('cut-power')
  const report = await powerCuts({ folder: folder.path, roundCount: rounds, chance: chanceOf(seed) })
  if (report.forgottenCommitCount > 0) throw new Error(`${report.forgottenCommitCount} commits were forgotten`)
  return {
    name: 'power cut of the file journal',
    killCount: rounds,
    acknowledgedCount: report.acknowledgedCount,
    lostCount: report.lost.length,
    disorderCount: report.isInOrder ? 0 : 1,
    unseenCount: undefined,
    repeatCount: 0,
  }
}
