import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CredentialsError, readCredentials, writeCredentials } from '#simulator/terminal/credentials'
import { generateTown } from '#simulator/town/town'
import { tempFolder } from '../../servers/temp-folder.ts'

const credentials = {
  seed: 20,
  liftCount: 8,
  terminals: generateTown({ seed: 20, liftCount: 8, boundAtMs: 0 }).terminals.map(({ serial, lift }) => ({
    serial,
    lift,
    secret: 's3cret',
  })),
}

describe('the credentials of simulated terminals', () => {
  it('come back as they were written, and only their owner may read them', async () => {
    await using folder = await tempFolder('credentials')
    const path = join(folder.path, 'simulated-terminals.json')
    await writeCredentials(path, credentials)
    await writeCredentials(path, credentials)
    expect(await readCredentials(path)).toEqual(credentials)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder.path)).toEqual(['simulated-terminals.json'])
  })

  it('are refused with a sentence when the file is something else', async () => {
    await using folder = await tempFolder('credentials')
    const path = join(folder.path, 'simulated-terminals.json')
    await expect(readCredentials(path)).rejects.toMatchObject({ code: 'ENOENT' })
    for (const content of [
      '',
      '{',
      '[]',
      '{"seed":1,"liftCount":1,"terminals":[{"serial":"?","lift":"x","secret":""}]}',
    ]) {
      await writeFile(path, content)
      await expect(readCredentials(path)).rejects.toThrow(CredentialsError)
    }
  })
})
