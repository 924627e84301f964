import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { readSettings } from '#contract/settings'
import { startPlatform, type Platform } from '../../main.ts'
import { startBrowser, type TestBrowser } from '../servers/browser.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { passwordOf } from './platform-process.ts'
import { readTerminals } from './terminals.ts'
import { watchEntrapment, watchTown, type Town } from './town-watch.ts'

describe('a living town in a real browser', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>
  let platform: Platform
  let browser: TestBrowser
  let town: Town

  beforeAll(async () => {
    folder = await tempFolder('browser')
    const settings = readSettings({
      DATA_DIR: folder.path,
      HOST: '127.0.0.1',
      HTTP_PORT: '0',
      MQTT_PORT: '0',
      SIMULATOR_FAULT_MINUTES: '0',
    })
    platform = await startPlatform(settings, silentLog)
    browser = await startBrowser()
    const lift = (await readTerminals(folder.path))[40]?.lift
    if (lift === undefined || platform.apiUrl === undefined) throw new Error('the town has lifts and an address')
    town = {
      apiUrl: platform.apiUrl,
      lift,
      password: (username) => passwordOf(username, folder.path),
      entrap: async (trapped) => {
        expect(platform.simulator?.play({ name: 'entrapment-between-floors', lift: trapped })).toBe(true)
      },
    }
  }, 90_000)
  afterAll(async () => {
    await browser[Symbol.asyncDispose]()
    await platform[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  }, 30_000)

  it(
    'shows 120 lifts whose positions change, with doors closed while moving, and asks nobody else',
    { timeout: 120_000 },
    () => watchTown(browser, town),
  )

  it(
    'brings an entrapment to the desk in time, to the right people, and keeps who acknowledged it',
    { timeout: 240_000 },
    async () => {
      const { shownAfterMs } = await watchEntrapment(browser, town)
      expect(shownAfterMs).toBeLessThan(2_000)
      // eslint-disable-next-line no-console -- the figure that the test stands for
      console.info(`entrapment in the queue ${shownAfterMs} ms after the rule's threshold`)
    },
  )
})
