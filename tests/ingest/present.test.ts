import { describe, expect, it } from 'vitest'
import { PRESENT_MS_MAX, presentOf } from '#ingest/present'

describe('the present', () => {
  type Unread = { readonly count: number; readonly atMs: number }
  const world = () => {
    const state: { nowMs: number; unread: Unread | undefined } = { nowMs: 1_000, unread: undefined }
    const isPresent = presentOf({ unread: () => state.unread }, () => state.nowMs)
    return { state, isPresent }
  }
  /** Turns of 100 ms each, of which the answers are all the same. */
  const turns = ({ state, isPresent }: ReturnType<typeof world>, ms: number): boolean | undefined => {
    const answers = new Set<boolean>()
    for (const untilMs = state.nowMs + ms; state.nowMs < untilMs;) {
      state.nowMs += 100
      answers.add(isPresent())
    }
    return answers.size === 1 ? [...answers][0] : undefined
  }

  it('is not known before the journal has said that nothing is left', () => {
    const now = world()
    expect(turns(now, 500)).toBe(false)
    now.state.unread = { count: 3, atMs: now.state.nowMs }
    expect(turns(now, 500)).toBe(false)
    now.state.unread = { count: 0, atMs: now.state.nowMs }
    expect(turns(now, 500)).toBe(true)
  })

  it('lasts as long as a condition of a car takes when the journal cannot be asked, and then ends', () => {
    const now = world()
    now.state.unread = { count: 0, atMs: now.state.nowMs }
    expect(turns(now, 15_000)).toBe(true)
    expect(turns(now, PRESENT_MS_MAX - 15_000)).toBe(true)
    expect(turns(now, 5_000)).toBe(false)
  })

  it('is not known after a sleep until the journal was asked after it', () => {
    const now = world()
    now.state.unread = { count: 0, atMs: now.state.nowMs }
    expect(turns(now, 1_000)).toBe(true)
    now.state.nowMs += 10_000
    expect(now.isPresent()).toBe(false)
    expect(turns(now, 1_000)).toBe(false)
    now.state.unread = { count: 0, atMs: now.state.nowMs }
    expect(turns(now, 1_000)).toBe(true)
  })
})
