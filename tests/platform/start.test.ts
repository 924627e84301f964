import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { freePort } from '../servers/free-port.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { AS_BUILT, NotReadyError, startProcess } from './platform-process.ts'

/** How a start that must fail ended: exit code and what it told the person. */
async function refusalOf(
  environment: Readonly<Record<string, string>>,
): Promise<{ exitCode: number | null; message: string }> {
  try {
    await using platform = await startProcess(environment)
    throw new Error(`started all the same:\n${platform.output()}`)
  } catch (error) {
    if (!(error instanceof NotReadyError)) throw error
    return { exitCode: error.exitCode, message: error.message }
  }
}

describe('npm start', () => {
  it(
    'is ready within 15 s on an empty folder and 10 s on a used one, with the demonstration town signed in',
    { timeout: 90_000 },
    async () => {
      await using folder = await tempFolder('start')
      const environment = { DATA_DIR: join(folder.path, 'new', 'data') }
      for (const limitMs of [15_000, 10_000]) {
        await using platform = await startProcess(environment)
        expect(platform.readyMs).toBeLessThan(limitMs)
        const ready = await fetch(`${platform.apiUrl}/readyz`)
        expect(ready.status).toBe(200)
        expect(await platform.kill('SIGTERM')).toBe(0)
        expect(platform.output()).not.toMatch(/"level":(50|60)/)
      }
    },
  )

  it('runs as the image runs it, from what the build makes', { timeout: 120_000 }, async () => {
    await promisify(execFile)('npm', ['run', '--silent', 'build:server'], {
      cwd: new URL('../..', import.meta.url).pathname,
    })
    await using folder = await tempFolder('built')
    await using platform = await startProcess({ DATA_DIR: folder.path, DEMO_LIFTS: '8' }, { program: AS_BUILT })
    for (const path of ['/readyz', '/asyncapi.json', '/openapi.json', '/docs/'])
      expect((await fetch(platform.apiUrl + path)).status, path).toBe(200)
    expect(await (await fetch(platform.apiUrl)).text()).toContain('<script type="module"')
    expect(await platform.kill('SIGTERM')).toBe(0)
  })

  it('is refused on a folder that another start has open, and says what to do', { timeout: 60_000 }, async () => {
    await using folder = await tempFolder('start')
    const environment = { PARTS: 'broker,ingest,api', DATA_DIR: folder.path, DEMO_LIFTS: '8' }
    await using first = await startProcess(environment)
    const { exitCode, message } = await refusalOf(environment)
    expect(exitCode).toBe(1)
    expect(message).toContain(folder.path)
    expect(message).toMatch(/in use|already|another/i)
    expect(message).not.toMatch(/\n\s+at /)
    expect((await fetch(`${first.apiUrl}/livez`)).status).toBe(200)
  })

  it.each(['MQTT_PORT', 'HTTP_PORT', 'ALARMS_MQTT_PORT'])(
    'names %s when that port is in use',
    { timeout: 60_000 },
    async (name) => {
      await using folder = await tempFolder('start')
      const port = await freePort()
      const squatter = createServer().listen(port, '127.0.0.1')
      await once(squatter, 'listening')
      const { exitCode, message } = await refusalOf({
        PARTS: 'broker,ingest,api',
        DATA_DIR: folder.path,
        DEMO_LIFTS: '0',
        [name]: String(port),
      })
      squatter.close()
      expect(exitCode).toBe(1)
      expect(message).toContain(name)
      expect(message).toContain(String(port))
      expect(message).not.toMatch(/\n\s+at /)
    },
  )

  it(
    'ends with a sentence, and leaves nothing running, when a store cannot be opened',
    { timeout: 60_000 },
    async () => {
      await using folder = await tempFolder('start')
      const { exitCode, message } = await refusalOf({
        PARTS: 'ingest,api',
        DATA_DIR: folder.path,
        REGISTER_URL: 'mysql://x',
      })
      expect(exitCode).toBe(1)
      expect(message).toContain('REGISTER_URL')
      expect(message).not.toMatch(/\n\s+at /)
    },
  )

  it('tells every wrong setting at once', async () => {
    const { exitCode, message } = await refusalOf({
      PARTS: 'broker,cook',
      HTTP_PORT: 'x',
      DEMO_LIFTS: '-1',
      LOG_LEVEL: 'loud',
    })
    expect(exitCode).toBe(1)
    for (const name of ['PARTS', 'HTTP_PORT', 'DEMO_LIFTS', 'LOG_LEVEL']) expect(message).toContain(name)
  })

  it('says which folder it cannot use', async () => {
    await using folder = await tempFolder('start')
    const file = join(folder.path, 'a-file')
    await writeFile(file, 'not a folder')
    const { exitCode, message } = await refusalOf({ DATA_DIR: join(file, 'data') })
    expect(exitCode).toBe(1)
    expect(message).toContain(join(file, 'data'))
    expect(message).toContain('DATA_DIR')
    expect(message).not.toMatch(/\n\s+at /)
  })
})
