import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'
import { ROOT } from './files.ts'

describe('the benchmark of telemetry', () => {
  it(
    'writes the same rows to all stores, asks them the same questions, and tells figures of each',
    {
      timeout: 180_000,
    },
    async () => {
      await using folder = await tempFolder('bench-telemetry')
      const args = ['--import', 'tsx', join(ROOT, 'tests/bench/main.ts'), 'telemetry', '--quick']
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        env: { ...process.env, TMPDIR: folder.path },
      })
      expect(stdout).toMatch(/^100 lifts × 1 days, a sample every 60 s: 144000 rows$/m)
      for (const store of ['embedded', 'influxdb', 'sqlite']) {
        const row = stdout.split('\n').find((line) => new RegExp(`^${store} +[0-9]`).test(line)) ?? ''
        const [rowsPerSecond = 0, rowsPerCpuSecond = 0, rowBytes = 0] = row.trim().split(/ +/).slice(1).map(Number)
        expect(rowsPerSecond, store).toBeGreaterThan(0)
        expect(rowsPerCpuSecond, store).toBeGreaterThan(0)
        expect(rowBytes, store).toBeGreaterThan(0)
      }
      for (const question of ['last value of all lifts', '24 h of one lift', 'daily runs of one lift', 'fleet runs']) {
        const answers = stdout.split('\n').find((line) => line.startsWith(question)) ?? ''
        expect(answers.match(/[0-9.]+ \/ [0-9.]+/g), question).toHaveLength(3)
      }
    },
  )
})
