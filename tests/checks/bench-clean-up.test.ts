import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'
import { ROOT } from './files.ts'

/** Processes that were started with this TMPDIR; those that only wait to be collected have no environment any more. */
async function processesOf(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const environments = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')))
  return pids.filter((_, index) => environments[index]?.includes(folder))
}

describe('a benchmark', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'that gets %s ends its processes, removes its folders and exits with %i',
    { timeout: 120_000 },
    async (signal, code) => {
      await using folder = await tempFolder('bench-clean-up')
      const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'tests/bench/main.ts'), 'fuzz'], {
        env: { ...process.env, TMPDIR: folder.path },
        stdio: 'ignore',
      })
      const exited = once(child, 'exit')
      // Its broker has opened its journal.
      const files = () => readdir(folder.path, { recursive: true })
      await expect.poll(files, { timeout: 60_000 }).toContainEqual(expect.stringMatching(/guarded-.*\/./))
      expect((await processesOf(folder.path)).length).toBeGreaterThan(1)
      child.kill(signal)
      expect(await exited).toEqual([code, null])
      await expect.poll(() => processesOf(folder.path), { timeout: 20_000 }).toEqual([])
      expect((await files()).filter((name) => name.startsWith('tiwang-'))).toEqual([])
    },
  )
})
