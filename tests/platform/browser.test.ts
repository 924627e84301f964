import axe from 'axe-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { readSettings } from '#contract/settings'
import { startPlatform, type Platform } from '../../main.ts'
import { startBrowser, type TestBrowser } from '../servers/browser.ts'
import { tempFolder } from '../servers/temp-folder.ts'
import { freePort } from '../servers/free-port.ts'
import { openDesk } from './desk.ts'
import { passwordOf, startProcess } from './platform-process.ts'
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
      ALARMS_MQTT_PORT: 'off',
      SIMULATOR_FAULT_MINUTES: '0',
      SIMULATOR_HISTORY_DAYS: '0',
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

  it.each([1920, 390])(
    'has no accessibility violation at %i px in either theme',
    { timeout: 90_000 },
    async (width) => {
      const password = await town.password('operator')
      const desk = await openDesk(browser, { apiUrl: town.apiUrl, username: 'operator', password, width, height: 900 })
      await desk.page.waitForSelector('[data-link="live"]')
      for (let theme = 0; theme < 2; theme += 1) {
        await desk.page.evaluate(axe.source)
        const { violations } = await desk.page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
          `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] })`,
        )
        expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([])
        await desk.page.click('[data-act="theme"]')
      }
      await desk.close()
    },
  )

  it(
    'says what it knows and since when after the server is gone, and goes on by itself when it is back',
    { timeout: 120_000 },
    async () => {
      const port = await freePort()
      const environment = {
        DATA_DIR: `${folder.path}/second`,
        HTTP_PORT: String(port),
        PARTS: 'broker,ingest,api',
        DEMO_LIFTS: '8',
      }
      const first = await startProcess(environment)
      const password = await passwordOf('operator', environment.DATA_DIR)
      const desk = await openDesk(browser, { apiUrl: first.apiUrl, username: 'operator', password })
      await desk.page.waitForSelector('[data-link="live"]')
      await first.kill('SIGKILL')
      await desk.page.waitForSelector('[data-banner="link"]', { timeout: 20_000 })
      await using _second = await startProcess(environment)
      await desk.page.waitForSelector('[data-link="live"]', { timeout: 40_000 })
      await desk.page.waitForSelector('[data-banner="link"]', { state: 'detached', timeout: 5_000 })
      await desk.close()
    },
  )
})
