import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ROOT, projectFiles, readText } from './files.ts'

const run = promisify(execFile)
const packages = (await readText('tests/debian-packages.txt')).trim().split('\n')

describe('.ci/run', () => {
  it('is a program that bash can read', async () => {
    expect((await stat(join(ROOT, '.ci/run'))).mode & 0o111).toBe(0o111)
    await run('bash', ['-n', join(ROOT, '.ci/run')])
  })

  it('stops at the first failure and runs exactly the test command of the README', async () => {
    const lines = (await readText('.ci/run')).split('\n')
    expect(lines[0]).toBe('#!/usr/bin/env bash')
    expect(lines).toContain('set -euo pipefail')
    expect(lines.filter((line) => line.startsWith('npm'))).toEqual([
      'npm ci',
      'npm test',
      'npm run lint',
      'npm run types',
    ])
  })

  it('installs what the list of Debian packages names', async () => {
    expect(await readText('.ci/run')).toContain('tests/debian-packages.txt')
    for (const name of packages) expect(name).toMatch(/^[a-z0-9][a-z0-9+.-]+$/)
    expect([...packages].sort()).toEqual(packages)
  })
})

describe('a test that misses a program', () => {
  it('names a package that is on the list', async () => {
    // Benchmarks are not run by CI: what they compare with may be absent, and they say so.
    const files = (await projectFiles()).filter((path) => /^tests\/(?!checks\/|bench\/).*\.ts$/.test(path))
    const texts = await Promise.all(files.map(readText))
    const named = texts.flatMap((text) =>
      [...text.matchAll(/(?:apt-get install|Debian packages?) `?([a-z0-9-]+)/g)].map(([, name = '']) => name),
    )
    expect(named.length).toBeGreaterThan(1)
    for (const name of named) expect(packages).toContain(name)
  })
})
