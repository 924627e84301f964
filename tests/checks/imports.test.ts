import { spawn } from 'node:child_process'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const config = join(root, 'tests/checks/imports.cjs')
const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
const FOLDERS = ['contract', 'storage', 'broker', 'ingest', 'api', 'simulator', 'dashboards']

type Violation = { readonly from: string; readonly to: string; readonly rule: { readonly name: string } }

/** The walls that are broken in a folder, and how many files were looked at. */
async function cruise(folder: string, places: readonly string[]): Promise<{ broken: Violation[]; fileCount: number }> {
  const child = spawn(process.execPath, [program, '--config', config, '--output-type', 'json', ...places], {
    cwd: folder,
  })
  let said = ''
  let complained = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()))
  await new Promise<void>((resolve, reject) => child.once('error', reject).once('close', () => resolve()))
  if (!said.startsWith('{')) throw new Error(`dependency-cruiser gave no answer: ${complained}`)
  const { summary } = JSON.parse(said) as { summary: { violations: Violation[]; totalCruised: number } }
  return { broken: summary.violations, fileCount: summary.totalCruised }
}

const told = ({ rule, from, to }: Violation) => `${rule.name}: ${from} → ${to}`

const PLANTED = [
  ['broker/neighbour.ts', "import '#ingest/start'", 'broker-imports-contract-and-storage'],
  ['storage/upwards.ts', "import '#broker/start'", 'storage-imports-contract'],
  [
    'simulator/store.ts',
    "import type { Part } from '#storage/start'\nexport type A = Part",
    'simulator-imports-contract',
  ],
  ['dashboards/server.ts', "import '#api/start'", 'dashboards-imports-contract'],
  ['api/root.ts', "import '../main.ts'", 'api-imports-contract-and-storage'],
  ['ingest/tests.ts', "import '#tests/start'", 'ingest-imports-contract-and-storage'],
  ['contract/disk.ts', "import 'node:fs'", 'contract-imports-only-typebox'],
  ['contract/package.ts', "import 'fastify'", 'contract-imports-only-typebox'],
  ['contract/upwards.ts', "import '#storage/start'", 'contract-imports-nothing-of-ours'],
  ['api/development.ts', "import 'fast-check'", 'shipped-code-imports-no-development-package'],
  ['ingest/missing.ts', "import '#ingest/nowhere'", 'every-import-resolves'],
  ['broker/circle.ts', "import './other.ts'\nexport type Part = 1", 'no-cycles'],
] as const

describe('the import walls', () => {
  it('stand', async () => {
    const { broken, fileCount } = await cruise(root, ['main.ts', ...FOLDERS])
    expect(broken.map(told)).toEqual([])
    expect(fileCount).toBeGreaterThan(100)
  }, 60_000)

  it('fall, each by its own rule, when something is planted behind them', async () => {
    await using town = await tempFolder('walls')
    await copyFile(join(root, 'package.json'), join(town.path, 'package.json'))
    await symlink(join(root, 'node_modules'), join(town.path, 'node_modules'))
    for (const folder of [...FOLDERS, 'tests']) {
      await mkdir(join(town.path, folder))
      await writeFile(join(town.path, folder, 'start.ts'), 'export type Part = 1')
    }
    await writeFile(join(town.path, 'main.ts'), "import '#broker/start'")
    expect((await cruise(town.path, ['main.ts', ...FOLDERS])).broken).toEqual([])

    await writeFile(join(town.path, 'broker/other.ts'), "import './circle.ts'")
    for (const [path, text] of PLANTED) await writeFile(join(town.path, path), text)
    const { broken } = await cruise(town.path, ['main.ts', ...FOLDERS])
    for (const [path, , rule] of PLANTED)
      expect(
        broken.filter(({ from }) => from === path).map(({ rule }) => rule.name),
        path,
      ).toContain(rule)
  }, 60_000)
})
