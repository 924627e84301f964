import { describe, expect, it } from 'vitest'
import type { LiftId } from '#contract/ids'
import { neverHeard, nextHeard, tickOffline, type OfflineMemory } from '#ingest/offline'

const lift = 'yhy-7-2' as LiftId
const T0 = 1_795_190_400_000
const MINUTE = 60_000
const heard: OfflineMemory = nextHeard(neverHeard, lift, T0).memory

describe('terminal offline', () => {
  it('is raised after five minutes of silence, once', () => {
    expect(tickOffline(heard, lift, T0 + 5 * MINUTE - 1, T0).changes).toEqual([])
    const step = tickOffline(heard, lift, T0 + 5 * MINUTE, T0)
    expect(step.changes).toMatchObject([{ event: 'raise', priority: 4, onsetAtMs: T0, kind: 'terminal-offline' }])
    expect(tickOffline(step.memory, lift, T0 + 6 * MINUTE, T0).changes).toEqual([])
  })

  it('grows with the silence: P3 after half an hour, P2 after a day', () => {
    let memory = tickOffline(heard, lift, T0 + 5 * MINUTE, T0).memory
    const half = tickOffline(memory, lift, T0 + 30 * MINUTE, T0)
    expect(half.changes).toMatchObject([{ event: 'escalate', priority: 3 }])
    memory = half.memory
    expect(tickOffline(memory, lift, T0 + 23 * 60 * MINUTE, T0).changes).toEqual([])
    expect(tickOffline(memory, lift, T0 + 24 * 60 * MINUTE, T0).changes).toMatchObject([
      { event: 'escalate', priority: 2 },
    ])
  })

  it('returns with the first word of the terminal', () => {
    const { memory } = tickOffline(heard, lift, T0 + 5 * MINUTE, T0)
    expect(nextHeard(memory, lift, T0 + 9 * MINUTE).changes).toMatchObject([{ event: 'return', onsetAtMs: T0 }])
    expect(nextHeard(heard, lift, T0 + MINUTE).changes).toEqual([])
  })

  it('does not return with a word of before the silence that is read again', () => {
    const { memory } = tickOffline(heard, lift, T0 + 5 * MINUTE, T0)
    const again = nextHeard(memory, lift, T0 - 20_000)
    expect(again.changes).toEqual([])
    expect(nextHeard(again.memory, lift, T0 + 9 * MINUTE).changes).toMatchObject([{ event: 'return', onsetAtMs: T0 }])
  })

  it('does not count the time in which the platform could not hear', () => {
    const restartedAtMs = T0 + 60 * MINUTE
    expect(tickOffline(heard, lift, restartedAtMs + 4 * MINUTE, restartedAtMs).changes).toEqual([])
    expect(tickOffline(heard, lift, restartedAtMs + 5 * MINUTE, restartedAtMs).changes).toHaveLength(1)
  })

  it('says nothing of a terminal that was never heard', () => {
    expect(tickOffline(neverHeard, lift, T0, 0).changes).toEqual([])
  })
})
