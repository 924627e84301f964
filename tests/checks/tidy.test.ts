import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT, projectFiles, readText } from './files.ts'

const files = await projectFiles()
const isCode = (path: string) => /\.(ts|mts|js|mjs|cjs|vue)$/.test(path)
const isTest = (path: string) => path.startsWith('tests/')
/** The programs that people start: they alone may speak to the console and read the environment. */
const PROGRAMS = new Set([
  'main.ts',
  'api/reset-password.ts',
  'simulator/main.ts',
  'simulator/conformance/main.ts',
  'storage/telemetry/command.ts',
  'contract/generate.ts',
  'dashboards/grafana/generate.ts',
])
const isProgram = (path: string) =>
  PROGRAMS.has(path) || /^(storage\/register\/make-|dashboards\/view\/build-)/.test(path)

/** `path:line` of everything that matches. */
async function find(pattern: RegExp, isLookedAt: (path: string) => boolean): Promise<string[]> {
  const found = await Promise.all(
    files
      .filter(isLookedAt)
      .map(async (path) =>
        (await readText(path))
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
      ),
  )
  return found.flat()
}

describe('the code', () => {
  it('is looked at here', () => {
    expect(files.filter(isCode).length).toBeGreaterThan(100)
    expect(files).toEqual(expect.arrayContaining(['main.ts', '.ci/run', 'contract/faults.ts', 'docker-compose.yml']))
  })

  it('speaks to the console only where people start it, and in tests that tell what they measured', async () => {
    const pattern = new RegExp(`\\b${'console'}\\.\\w`)
    expect(await find(pattern, (path) => isCode(path) && !isTest(path) && !isProgram(path))).toEqual([])
  })

  it('reads the environment only where people start it, and in tests', async () => {
    const pattern = new RegExp(`\\bprocess\\.${'env'}\\b|from ['"]node:process['"]`)
    expect(await find(pattern, (path) => isCode(path) && !isTest(path) && !isProgram(path))).toEqual([])
  })

  it('names no folder of one machine', async () => {
    const pattern = new RegExp(`(^|[\\s'"\`(=])/(${['home', 'Users', 'root', 'work', 'mnt'].join('|')})/`)
    expect(await find(pattern, (path) => path !== 'package-lock.json')).toEqual([])
  })

  it('leaves out and singles out no test', async () => {
    const pattern = new RegExp(
      `\\b(it|test|describe)\\.(${['skip', 'only', 'todo', 'fails', 'skipIf', 'runIf'].join('|')})\\b`,
    )
    expect(await find(pattern, isTest)).toEqual([])
  })

  it('exports by name', async () => {
    const isSource = (path: string) => path.endsWith('.ts') && !path.endsWith('.config.ts') && !path.endsWith('.d.ts')
    expect(await find(/^export default\b/, isSource)).toEqual([])
  })

  it('gives files names in small letters with hyphens', () => {
    const isNamed = /^[a-z0-9]+([-.][a-z0-9]+)*$/
    const named = files.filter(isCode).map((path) => path.split('/').at(-1) ?? '')
    // Components of the view carry the name of their tag.
    expect(named.filter((name) => !isNamed.test(name) && !/^[A-Z][A-Za-z]+\.vue$/.test(name))).toEqual([])
  })
})

describe('each folder', () => {
  it('has a README.md that says what it holds and what must never happen', async () => {
    const folders = ['contract', 'storage', 'broker', 'ingest', 'api', 'simulator', 'dashboards', 'tests']
    for (const parent of ['storage', 'dashboards']) {
      const entries = await readdir(join(ROOT, parent), { withFileTypes: true })
      folders.push(...entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${parent}/${name}`))
    }
    for (const folder of folders) {
      expect(files, folder).toContain(`${folder}/README.md`)
      const text = await readText(`${folder}/README.md`)
      expect(text, folder).toMatch(/^# /)
      expect(text.toLowerCase(), folder).toContain('never')
    }
  })
})
