import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { totalHook, totalListener } from '#contract/total-hook'

/** What a hook may do wrong, and right. */
type Step = 'reply' | 'throw' | 'reject' | 'wait' | 'reply later' | 'throw nothing'
const steps: Step[] = ['reply', 'throw', 'reject', 'wait', 'reply later', 'throw nothing']

const escaped: unknown[] = []
const onEscaped = (fault: unknown) => void escaped.push(fault)
beforeAll(() => void process.on('unhandledRejection', onEscaped).on('uncaughtException', onEscaped))
afterAll(() => void process.off('unhandledRejection', onEscaped).off('uncaughtException', onEscaped))

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

function perform(run: readonly Step[], isAsync: boolean, reply: (error: Error | null) => void): void | Promise<void> {
  const act = (step: Step): void | Promise<void> => {
    if (step === 'reply') reply(null)
    if (step === 'throw') throw new Error('thrown')
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a library may throw anything
    if (step === 'throw nothing') throw undefined
    if (step === 'reject') return Promise.reject(new Error('rejected'))
    if (step === 'wait') return turn()
    if (step === 'reply later') setImmediate(() => reply(null))
  }
  if (isAsync)
    return (async () => {
      for (const step of run) await act(step)
    })()
  for (const step of run) {
    const result = act(step)
    if (result) return result
  }
}

describe('a total hook', () => {
  it('never throws, never rejects and replies at most once, whatever the hook and the reply do', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...steps), { maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        async (run, isAsync, replyThrows, faultThrows) => {
          let replyCount = 0
          let faultCount = 0
          const hook = totalHook<[string], [Error | null]>(
            (_topic, reply) => perform(run, isAsync, reply),
            () => {
              faultCount += 1
              if (faultThrows) throw new Error('the listener of faults is broken too')
              return [new Error('refused')]
            },
          )
          expect(
            hook('topic', () => {
              replyCount += 1
              if (replyThrows) throw new Error('what Aedes does next throws')
            }),
          ).toBeUndefined()
          for (let index = 0; index < 8; index += 1) await turn()
          expect(replyCount).toBeLessThanOrEqual(1)
          const failsFirst = ['throw', 'throw nothing', 'reject'].includes(run[0] ?? '')
          if (failsFirst) expect(faultCount).toBeGreaterThan(0)
          if (failsFirst && !faultThrows) expect(replyCount).toBe(1)
        },
      ),
      { seed: 11, numRuns: 300 },
    )
    expect(escaped).toEqual([])
  })

  it('passes what it is given on, and the reply back', () => {
    const hook = totalHook<[number, number], [null, number]>(
      (a, b, reply) => reply(null, a + b),
      () => [null, -1],
    )
    const replies: number[] = []
    hook(2, 3, (_error, sum) => replies.push(sum))
    expect(replies).toEqual([5])
  })
})

describe('a total listener', () => {
  it('reports what is thrown instead of throwing it into the emitter', () => {
    const faults: unknown[] = []
    const listener = totalListener<[string]>(
      (text) => {
        throw new Error(text)
      },
      (fault) => {
        faults.push(fault)
        throw new Error('again')
      },
    )
    expect(() => listener('boom')).not.toThrow()
    expect(faults).toHaveLength(1)
  })
})
