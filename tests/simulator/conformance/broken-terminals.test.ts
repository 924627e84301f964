import { describe, expect, it } from 'vitest'
import type { KitRun, Timings } from '#simulator/conformance/kit'
import type { PhaseName } from '#simulator/conformance/facts'
import { Authority } from '../../broker/certificate-files.ts'
import { BROKEN_TERMINALS } from './broken-terminals.ts'
import { FakeTerminal, type Flaws } from './fake-terminal.ts'
import { LIFT, resultsOf, runOnBench, TERMINAL } from './kit-run.ts'
import { LoopClock } from './loop-clock.ts'

const START_AT_MS = Date.UTC(2026, 4, 4, 10)
/** The clock goes 250 times as fast, or slower where the machine is. */
const STEP_MS = 250

async function tryTerminal(
  flaws: Flaws,
  o: {
    timings?: Partial<Timings>
    tls?: { certPem: string; keyPem: string }
    onPhase?: (phase: PhaseName, fake: FakeTerminal | undefined) => void
  } = {},
): Promise<KitRun> {
  using clock = new LoopClock({ startAtMs: START_AT_MS, stepMs: STEP_MS })
  let fake: FakeTerminal | undefined
  let gone: Promise<void> | undefined
  const run = await runOnBench({
    clock,
    ...(o.timings === undefined ? {} : { timings: o.timings }),
    ...(o.tls === undefined ? {} : { tls: o.tls }),
    onListening: (port) => {
      fake = new FakeTerminal({ port, clock, lift: LIFT, serial: TERMINAL, flaws })
      gone = fake.run()
    },
    onPhase: (phase) => o.onPhase?.(phase, fake),
  })
  fake?.stop()
  await gone
  return run
}

const evidenceOf = (run: KitRun) =>
  run.judged
    .filter(({ verdict }) => verdict.state === 'failed')
    .map(({ check, verdict }) => `${check.id}: ${verdict.evidence?.en}`)

describe('a terminal as the contract wants it', () => {
  it('passes every check that can be judged', async () => {
    const run = await tryTerminal({})
    expect(evidenceOf(run)).toEqual([])
    expect(resultsOf(run, 'notObserved')).toEqual([
      'end.goodbye',
      'schema.unknown',
      'boot.restart',
      'statistics.cadence',
    ])
    expect(run).toMatchObject({ outcome: 'passed', unfinished: undefined, droppedFactCount: 0 })
  }, 60_000)

  it('is seen to count a restart, when it is asked for one', async () => {
    const onPhase = (phase: PhaseName, fake: FakeTerminal | undefined) => {
      if (phase === 'restart') fake?.restart()
    }
    const timings = { restartMs: 60_000, observeMs: 150_000 }
    const [good, bad] = await Promise.all([
      tryTerminal({}, { timings, onPhase }),
      tryTerminal({ keepsBoot: true }, { timings, onPhase }),
    ])
    expect(evidenceOf(good)).toEqual([])
    expect(resultsOf(good, 'passed')).toContain('boot.restart')
    expect(resultsOf(bad, 'failed')).toEqual(['seq.unique', 'boot.restart'])
  }, 60_000)

  it('passes over TLS, through every phase', async () => {
    const { cert, key } = await (await Authority.found()).issue('CN=127.0.0.1', { usage: 'serverAuth' })
    const run = await tryTerminal({ isTls: true }, { tls: { certPem: cert, keyPem: key } })
    expect(evidenceOf(run)).toEqual([])
    expect(run.outcome).toBe('passed')
  }, 60_000)

  it('may wait before it comes back, also into the outage of the kit', async () => {
    const run = await tryTerminal(
      { waitsMs: [5000, 45_000, 10_000, 20_000, 40_000, 60_000, 60_000] },
      { timings: { outageMs: 300_000 } },
    )
    expect(evidenceOf(run)).toEqual([])
    expect(run.outcome).toBe('passed')
  }, 60_000)

  it('may lose its power without a goodbye when it is asked to restart', async () => {
    const onPhase = (phase: PhaseName, fake: FakeTerminal | undefined) => {
      if (phase === 'restart') fake?.restart(400_000)
    }
    const run = await tryTerminal({}, { timings: { restartMs: 600_000 }, onPhase })
    expect(evidenceOf(run)).toEqual([])
    expect(resultsOf(run, 'passed')).toContain('boot.restart')
    expect(run.outcome).toBe('passed')
  }, 60_000)

  it('that is asked to restart and is not restarted leaves the run incomplete', async () => {
    const run = await tryTerminal({}, { timings: { restartMs: 60_000 } })
    expect(evidenceOf(run)).toEqual([])
    expect(run).toMatchObject({ outcome: 'incomplete', unfinished: 'notRestarted' })
  }, 60_000)
})

describe('a broken terminal', () => {
  // All at once: each has a clock and a port of its own, and spends its time waiting.
  it.concurrent.each(BROKEN_TERMINALS)(
    'that $name fails $fails and nothing else',
    async ({ flaws, fails }) => {
      const run = await tryTerminal(flaws)
      expect(
        evidenceOf(run).map((line) => line.split(':')[0]),
        evidenceOf(run).join('\n'),
      ).toEqual(fails)
      expect(run.outcome).toBe('failed')
    },
    120_000,
  )
})
