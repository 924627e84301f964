import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openHealth, PART_SILENCE_MS_MAX, type Health } from '#api/health'
import { silentLog } from '#contract/log-events'
import { openBus, type Bus } from '#storage/bus/bus'

const OPENED_AT_MS = 1_000_000

describe('the health of a part that runs in several processes', () => {
  let bus: Bus
  let health: Health
  let nowMs: number
  let restarts: string[]
  beforeEach(async () => {
    nowMs = OPENED_AT_MS
    restarts = []
    bus = await openBus('local:', { log: silentLog })
    health = await openHealth({ checks: [], bus, log: silentLog, nowMs: () => nowMs })
    health.onRestarted((part) => restarts.push(part))
  })
  afterEach(async () => {
    await health[Symbol.asyncDispose]()
    await bus[Symbol.asyncDispose]()
  })
  const say = (worker: string, startedAtMs: number, missing: readonly string[] = []) =>
    bus.publish('health', {
      part: 'ingest',
      worker,
      startedAtMs,
      atMs: nowMs,
      degraded: missing.map((part) => ({ part, reason: `says ${worker}`, sinceAtMs: nowMs })),
    })

  it('is no restart when two workers speak in turn, but one that begins or takes over is', () => {
    for (let turn = 0; turn < 3; turn += 1) {
      say('a', OPENED_AT_MS - 500)
      say('b', OPENED_AT_MS - 300)
    }
    expect(restarts).toEqual([])
    nowMs += 5_000
    say('b', nowMs)
    say('a', OPENED_AT_MS - 500)
    expect(restarts).toEqual(['ingest'])
    say('c', nowMs)
    say('c', nowMs)
    expect(restarts).toEqual(['ingest', 'ingest'])
  })

  it('adds up what each of them is missing', () => {
    say('a', 1, ['telemetry'])
    say('b', 1, ['register'])
    say('c', 1)
    expect(health.now().degraded.map(({ part }) => part)).toEqual(['register', 'telemetry'])
    say('a', 1)
    expect(health.now().degraded.map(({ part }) => part)).toEqual(['register'])
  })

  it('forgets one that fell silent while others speak, and names the part when all are silent', () => {
    say('a', 1, ['telemetry'])
    say('b', 1)
    nowMs += PART_SILENCE_MS_MAX + 1
    say('b', 1)
    expect(health.now().degraded).toEqual([])
    nowMs += PART_SILENCE_MS_MAX + 1
    expect(health.now().degraded).toEqual([
      { part: 'ingest', reason: 'no sign of life', sinceAtMs: OPENED_AT_MS + PART_SILENCE_MS_MAX + 1 },
    ])
  })

  it('counts one that was taken for dead and speaks again as there, without a restart', () => {
    say('a', 1)
    nowMs += PART_SILENCE_MS_MAX + 1
    say('b', 1)
    say('a', 1)
    expect(health.now().degraded).toEqual([])
    expect(restarts).toEqual([])
  })
})
