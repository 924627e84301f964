import { expect } from 'vitest'
import type { Page } from 'playwright-core'
import type { LiftId } from '#contract/ids'
import type { TestBrowser } from '../servers/browser.ts'

/** A person at a desk of their own, signed in and on duty. */
export type Desk = { readonly page: Page; readonly foreignRequests: readonly string[]; close(): Promise<void> }

export async function openDesk(
  browser: TestBrowser,
  o: { apiUrl: string; username: string; password: string; width?: number; height?: number },
): Promise<Desk> {
  const { page, context } = await browser.newPage({
    ...(o.width ? { width: o.width } : {}),
    ...(o.height ? { height: o.height } : {}),
  })
  const foreignRequests: string[] = []
  const { host } = new URL(o.apiUrl)
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol !== 'data:' && url.protocol !== 'blob:' && url.host !== host) foreignRequests.push(request.url())
  })
  await page.goto(o.apiUrl)
  await page.fill('#username', o.username)
  await page.fill('#password', o.password)
  await page.keyboard.press('Enter')
  await page.waitForSelector('#go-on-duty')
  await page.click('#go-on-duty')
  await page.waitForSelector('[data-screen="operations-desk"]')
  return { page, foreignRequests, close: () => context.close() }
}

/** What the fleet list shows of each lift that is on screen. */
export type ShownLift = {
  lift: string
  floor: string
  moving: string
  doorClosed: string
  freshness: string
}

// Scripts for the page are texts: this program itself knows no DOM.
const SHOWN_LIFTS = `[...document.querySelectorAll('#fleet-list [role=row][data-lift]')].map((row) => ({
  lift: row.dataset.lift, floor: row.dataset.floor, moving: row.dataset.moving,
  doorClosed: row.dataset.doorClosed, freshness: row.dataset.freshness }))`
/** Scrolls whichever element of the list really scrolls one screen on, and from its end back to its begin. */
const SCROLL_ON = `(() => {
  const box = [...document.querySelectorAll('#fleet-list, #fleet-list *')].find((each) => each.scrollHeight > each.clientHeight + 40 && getComputedStyle(each).overflowY !== 'visible')
  if (!box) return
  const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 2
  box.scrollTop = isAtEnd ? 0 : box.scrollTop + box.clientHeight * 0.8
})()`

/** Watches the fleet for some time, scrolling through all of it: which lifts there are, which moved, and any that moved with open doors. */
export async function watchFleet(page: Page, forMs: number) {
  const seen = new Map<string, Set<string>>()
  const openWhileMoving: ShownLift[] = []
  const endAtMs = Date.now() + forMs
  while (Date.now() < endAtMs) {
    for (const lift of await page.evaluate<ShownLift[]>(SHOWN_LIFTS)) {
      const floors = seen.get(lift.lift) ?? new Set<string>()
      if (lift.floor !== '') floors.add(lift.floor)
      seen.set(lift.lift, floors)
      if (lift.moving === 'true' && lift.doorClosed !== 'true') openWhileMoving.push(lift)
    }
    await page.evaluate(SCROLL_ON)
    await page.waitForTimeout(120)
  }
  const movedCount = [...seen.values()].filter((floors) => floors.size > 1).length
  return { liftCount: seen.size, movedCount, openWhileMoving }
}

/** Waits for the entrapment of a lift in the queue; tells when it was first there. */
export async function waitForEntrapment(
  page: Page,
  lift: LiftId,
  withinMs: number,
): Promise<{ id: string; seenAtMs: number }> {
  const row = await page.waitForSelector(
    `#alarm-queue [data-alarm][data-lift="${lift}"][data-kind="entrapment-between-floors"]`,
    { timeout: withinMs },
  )
  const seenAtMs = Date.now()
  expect(await row.getAttribute('data-priority')).toBe('1')
  return { id: (await row.getAttribute('data-alarm')) ?? '', seenAtMs }
}

export const soundsOf = (page: Page): Promise<{ priority: unknown; atMs: number }[]> =>
  page.evaluate(() => {
    const log = (globalThis as unknown as { __tiwangSoundLog?: { priority: unknown; atMs: number }[] }).__tiwangSoundLog
    return (log ?? []).map(({ priority, atMs }) => ({ priority, atMs }))
  })

/** Moves through the queue with the keyboard until the alarm is current, then acknowledges it with A. */
export async function acknowledgeByKeyboard(page: Page, alarm: string): Promise<void> {
  const row = `#alarm-queue [data-alarm="${alarm}"]`
  for (let step = 0; step < 50; step += 1) {
    if ((await page.getAttribute(row, 'data-current')) === 'true') break
    await page.keyboard.press('j')
    await page.waitForTimeout(50)
  }
  expect(await page.getAttribute(row, 'data-current')).toBe('true')
  await page.keyboard.press('a')
}
