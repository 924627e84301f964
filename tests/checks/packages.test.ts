import { describe, expect, it } from 'vitest'
import { readText } from './files.ts'

type Manifest = {
  readonly license: string
  readonly private: boolean
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, string>>
}
type Lock = { readonly packages: Readonly<Record<string, Partial<Manifest> & { resolved?: string; version?: string }>> }

const manifest = JSON.parse(await readText('package.json')) as Manifest
const lock = JSON.parse(await readText('package-lock.json')) as Lock
const EXACT = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/

describe('the packages', () => {
  it('are named with exact versions', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.overrides }
    expect(Object.keys(all).length).toBeGreaterThan(30)
    expect(Object.entries(all).filter(([, version]) => !EXACT.test(version))).toEqual([])
  })

  it('are locked to the versions that are named', () => {
    expect(lock.packages['']?.dependencies).toEqual(manifest.dependencies)
    expect(lock.packages['']?.devDependencies).toEqual(manifest.devDependencies)
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      // Some packages carry a `v` in their own version.
      expect(lock.packages[`node_modules/${name}`]?.version?.replace(/^v/, ''), name).toBe(version)
    }
  })

  it('may come from any registry: the lockfile names no host', () => {
    expect(Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
  })

  it('are ours to give away as the licence says', async () => {
    expect(manifest).toMatchObject({ license: 'Apache-2.0', private: true })
    const licence = await readText('LICENSE')
    expect(licence).toContain('Apache License')
    expect(licence).toContain('END OF TERMS AND CONDITIONS')
    expect(licence.length).toBeGreaterThan(11_000)
  })
})

describe('the README', () => {
  it.each(['README.md', 'README.en.md'])(
    '%s names the commands, PARTS and the settings, and only scripts that exist',
    async (path) => {
      const text = await readText(path)
      for (const needed of [
        'npm ci && npm start',
        'npm ci && npm test',
        'npm run check',
        'docker compose up',
        'PARTS',
        '.env.example',
      ])
        expect(text).toContain(needed)
      expect(text).toContain('tests/debian-packages.txt')
      for (const [, script = ''] of text.matchAll(/npm run ([a-z:-]+)/g))
        expect(Object.keys(manifest.scripts)).toContain(script)
    },
  )
})
