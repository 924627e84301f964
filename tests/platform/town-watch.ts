import { expect } from 'vitest'
import type { LiftId } from '#contract/ids'
import type { TestBrowser } from '../servers/browser.ts'
import { acknowledgeByKeyboard, openDesk, soundsOf, waitForEntrapment, watchFleet } from './desk.ts'
import { eventually, signIn } from './platform-process.ts'

/** The rule's threshold after the onset, and how long an operator may have to wait after it. */
const THRESHOLD_MS = 15_000
const SHOWN_MS_MAX = 2_000

export type Town = {
  readonly apiUrl: string
  readonly password: (username: string) => Promise<string>
  /** Makes people be trapped between floors in this lift, now. */
  readonly entrap: (lift: LiftId) => Promise<void>
  readonly lift: LiftId
}

/** A living town of 120 lifts: positions change, no door is open in motion, nothing is asked of anyone else. */
export async function watchTown(browser: TestBrowser, town: Town): Promise<void> {
  const desk = await openDesk(browser, {
    apiUrl: town.apiUrl,
    username: 'operator',
    password: await town.password('operator'),
  })
  await desk.page.waitForSelector('#fleet-list[data-total="120"]')
  const { liftCount, movedCount, openWhileMoving } = await watchFleet(desk.page, 25_000)
  expect(liftCount).toBe(120)
  expect(movedCount).toBeGreaterThan(5)
  expect(openWhileMoving).toEqual([])
  expect(desk.foreignRequests).toEqual([])
  await desk.close()
}

/**
 * An entrapment from the car to the desk: in the operator's queue within 2 s of the threshold, with sound; seen by the
 * contractor who serves the lift and by no other; acknowledged by keyboard, with name and time kept.
 */
export async function watchEntrapment(browser: TestBrowser, town: Town): Promise<{ shownAfterMs: number }> {
  const { apiUrl, lift } = town
  const operator = await signIn(apiUrl, 'operator', await town.password('operator'))
  const { contractor } = await operator.get<{ contractor: string }>(`/api/v1/lifts/${lift}`)
  const others = ['contractor-a', 'contractor-b', 'contractor-c'].filter((each) => each !== contractor)
  const open = async (username: string) =>
    openDesk(browser, { apiUrl, username, password: await town.password(username) })
  const desk = await open('operator')
  const [own, foreign] = [await open(contractor), await open(others[0] ?? '')]
  await desk.page.waitForSelector('#fleet-list[data-total="120"]')

  await town.entrap(lift)
  const { id, seenAtMs } = await waitForEntrapment(desk.page, lift, 120_000)
  const alarm = await operator.get<{
    onsetAt: string
    certainty: string
    occurrences: { event: string; trace: { decidedAt: string } }[]
  }>(`/api/v1/alarms/${id}`)
  const thresholdAtMs = Date.parse(alarm.onsetAt) + THRESHOLD_MS
  expect(alarm.certainty).toBe('suspected')
  expect(Date.parse(alarm.occurrences[0]?.trace.decidedAt ?? '')).toBe(thresholdAtMs)
  expect(seenAtMs - thresholdAtMs).toBeGreaterThan(-200)
  expect(seenAtMs - thresholdAtMs).toBeLessThan(SHOWN_MS_MAX)
  const sounds = await eventually(
    () => soundsOf(desk.page),
    (played) => played.some(({ priority }) => priority === 1),
    5_000,
  )
  expect(sounds.find(({ priority }) => priority === 1)?.atMs).toBeGreaterThanOrEqual(thresholdAtMs - 200)

  await waitForEntrapment(own.page, lift, 5_000)
  expect(await foreign.page.locator(`[data-alarm="${id}"]`).count()).toBe(0)
  const stranger = await signIn(apiUrl, others[0] ?? '', await town.password(others[0] ?? ''))
  expect(await stranger.status(`/api/v1/alarms/${id}`)).toBe(404)
  expect(await stranger.status(`/api/v1/lifts/${lift}`)).toBe(404)

  const beforeMs = Date.now()
  await acknowledgeByKeyboard(desk.page, id)
  const { user } = await operator.get<{ user: { name: string } }>('/api/v1/session')
  const kept = await eventually(
    () =>
      operator.get<{ state: string; acknowledgedBy: string | null; acknowledgedAt: string | null }>(
        `/api/v1/alarms/${id}`,
      ),
    ({ acknowledgedBy }) => acknowledgedBy !== null,
    3_000,
  )
  expect(kept).toMatchObject({ acknowledgedBy: user.name })
  expect(Date.parse(kept.acknowledgedAt ?? '')).toBeGreaterThanOrEqual(beforeMs - 50)
  // It stays where it was for some seconds, with the name: whoever pressed the key sees that it counted.
  const row = desk.page.locator(`#alarm-queue [data-alarm="${id}"]`)
  await eventually(
    () => row.getAttribute('data-acknowledged-by', { timeout: 1_000 }),
    (shown) => shown === user.name,
    3_000,
  )
  expect(foreign.foreignRequests).toEqual([])
  await Promise.all([desk.close(), own.close(), foreign.close()])
  return { shownAfterMs: seenAtMs - thresholdAtMs }
}
