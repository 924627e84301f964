import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '#simulator/command-line'
import { faultRows } from '#simulator/commands/faults'
import { readScenario } from '#simulator/scenario/scenario-file'
import { scenarioNames, scenarioText } from '#simulator/scenario/scenario-library'
import { IMPAIRMENTS } from '#simulator/terminal/link'

const root = new URL('../..', import.meta.url).pathname
const page = (await readFile(join(root, 'docs/simulator.md'), 'utf8')).replaceAll(/ +\|/g, ' |')
/** Rows of tables with a name in their first column, as they stand. */
const rows = page.split('\n').filter((line) => line.startsWith('| `'))
const block = (language: string, isIt: (text: string) => boolean): string | undefined =>
  [...page.matchAll(/^```(\w+)\n(.*?)\n```$/gms)]
    .filter(([, of]) => of === language)
    .map(([, , text = '']) => text)
    .find(isIt)

describe('the page about the simulator', () => {
  it('names every command, fault and link as the program does', () => {
    for (const [name, { zh, en }] of Object.entries(COMMANDS)) expect(rows).toContain(`| \`${name}\` | ${zh} | ${en} |`)
    const { lift, terminal } = faultRows()
    const traps = { between: '非平层', 'at-level': '平层' } as const
    for (const { name, zh, en, traps: where } of lift)
      expect(rows).toContain(
        `| \`${name}\` | ${zh} | ${en} | ${where === null ? '' : traps[where]} |`.replace('|  |', '| |'),
      )
    for (const { name, zh, en } of terminal) expect(rows).toContain(`| \`${name}\` | ${zh} | ${en} |`)
    for (const [name, { zh, en }] of Object.entries(IMPAIRMENTS))
      expect(rows).toContain(`| \`${name}\` | ${zh} | ${en} |`)
  })

  it('shows options that there are', () => {
    const help = Object.values(COMMANDS).map((command) => command.help)
    for (const [option] of page.matchAll(/(?<=[ `(])--[a-z-]{3,}/g))
      expect(option === '--import' || help.some((text) => text.includes(option)), option).toBe(true)
  })

  it('tells how many scenarios there are, and shows one of them whole', () => {
    const count = scenarioNames().length
    expect(count).toBeGreaterThanOrEqual(40)
    expect(page).toContain(`库中有 ${count} 个脚本`)
    expect(page).toContain(`the ${count} of the library`)
    const shown = block('yaml', () => true)
    expect(shown).toBe(scenarioText('power/compound-goes-dark').trimEnd())
    expect(readScenario(shown ?? '').expected.length).toBeGreaterThan(1)
  })

  it('shows a program that runs and holds', async () => {
    const path = join(root, 'docs/simulator-example.ts')
    expect(block('ts', (text) => text.includes('startSimulator'))).toBe((await readFile(path, 'utf8')).trimEnd())
    const ran = await promisify(execFile)(process.execPath, ['--import', 'tsx', path], { cwd: root, timeout: 120_000 })
    expect(ran).toEqual({ stdout: '', stderr: '' })
  }, 130_000)
})
