import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog, type Log, type LogEvent } from '#contract/log-events'
import { ceilingOf, MemoryFile, memoryKeyOf, readMemory } from '#simulator/terminal/memory'
import { TERMINAL_KIND_NAMES, type TerminalKind } from '#simulator/terminal/sensing'
import type { SimulatedLift } from '#simulator/terminal/simulated-lift'
import { generateTown } from '#simulator/town/town'
import { tempFolder } from '../../servers/temp-folder.ts'
import { liftOf, MORNING_MS, statisticsOf } from './terminal-lift.ts'

const [terminal] = generateTown({ seed: 20, liftCount: 120, boundAtMs: MORNING_MS }).terminals
if (terminal === undefined) throw new Error('the town has terminals')
const { serial, lift: id } = terminal

const memoryOf = (path: string, lift: SimulatedLift, log: Log = silentLog): MemoryFile =>
  new MemoryFile({
    ...{ path, log, startAtMs: MORNING_MS },
    terminals: () => [{ serial, lift: id, plan: lift.plan, counted: lift.counted }],
  })
const lastReading = (lift: SimulatedLift, atMs: number) => statisticsOf(lift.greet(atMs)).at(-1)

/** A log that keeps the names of its warnings. */
function keepingLog(): { log: Log; told: LogEvent[] } {
  const told: LogEvent[] = []
  return { told, log: { ...silentLog, warn: (event) => void told.push(event) } }
}

describe.each(TERMINAL_KIND_NAMES)('the counters of a terminal of kind %s', (kind: TerminalKind) => {
  it('go on after a clean end exactly where they were', async () => {
    await using folder = await tempFolder('memory')
    const path = join(folder.path, 'memory.json')
    const before = liftOf({ kind })
    before.play('counters-restart', 60_000, MORNING_MS + 1_200_000)
    before.advance(MORNING_MS + 3_600_000)
    const memory = memoryOf(path, before)
    await memory.close()
    const counted = (await readMemory(path, silentLog)).get(memoryKeyOf(serial, id))
    expect(counted).toEqual(before.counted)
    const startAtMs = MORNING_MS + 3_600_000
    const after = liftOf({ kind, startAtMs, ...(counted === undefined ? {} : { counted }) })
    expect(after.counted).toEqual(before.counted)
    // The one that begins while its doors are open takes that for an opening.
    expect(lastReading(after, startAtMs)?.runCount).toBe(lastReading(before, startAtMs)?.runCount)
    expect(await readdir(folder.path)).toEqual(['memory.json'])
  })

  it('never fall after a kill, and jump by little', () => {
    const lift = liftOf({ kind, speed: 20 })
    lift.play('door-switch-flickers', 40 * 60_000, MORNING_MS)
    for (let minute = 1; minute <= 40; minute += 1) {
      lift.advance(MORNING_MS + minute * 60_000)
      const ceiling = ceilingOf({ plan: lift.plan, counted: lift.counted }, 90_000)
      const startAtMs = MORNING_MS + minute * 60_000 + 90_000
      const atTheKill = liftOf({ kind, speed: 20, counted: lift.counted })
      atTheKill.advance(MORNING_MS + 90_000)
      for (const whose of ['lift', 'terminal'] as const) {
        const shown: Readonly<Record<string, number>> = atTheKill.counted[whose]
        for (const [name, value] of Object.entries(ceiling[whose])) {
          expect(value, name).toBeGreaterThanOrEqual(shown[name] ?? Infinity)
          expect(value - (shown[name] ?? 0), name).toBeLessThan(130)
        }
      }
      const reading = lastReading(liftOf({ kind, startAtMs, counted: ceiling }), startAtMs)
      const before = lastReading(atTheKill, MORNING_MS + 90_000)
      expect(reading?.runCount).toBeGreaterThanOrEqual(before?.runCount ?? Infinity)
    }
  })
})

describe('the file of the counters', () => {
  it('holds ceilings while the simulator runs, and is written once a minute', async () => {
    await using folder = await tempFolder('memory')
    const path = join(folder.path, 'memory.json')
    const lift = liftOf({})
    const memory = memoryOf(path, lift)
    const runCountOnDisk = async () => (await readMemory(path, silentLog)).get(memoryKeyOf(serial, id))?.lift.runCount
    memory.tick(MORNING_MS)
    await expect.poll(runCountOnDisk).toBeGreaterThan(lift.counted.lift.runCount)
    const text = await readFile(path, 'utf8')
    lift.advance(MORNING_MS + 59_000)
    memory.tick(MORNING_MS + 59_000)
    expect(await readFile(path, 'utf8')).toBe(text)
    lift.advance(MORNING_MS + 600_000)
    memory.tick(MORNING_MS + 600_000)
    await expect.poll(runCountOnDisk).toBeGreaterThan(lift.counted.lift.runCount)
    await memory.close()
    expect(await runCountOnDisk()).toBe(lift.counted.lift.runCount)
  })

  it.each(['', '{"terminals":[{"serial":"TJ-00001"}]}', '[]'])(
    'that holds %j is told and not used',
    async (content) => {
      await using folder = await tempFolder('memory')
      const path = join(folder.path, 'memory.json')
      await writeFile(path, content)
      const { log, told } = keepingLog()
      expect((await readMemory(path, log)).size).toBe(0)
      expect(told).toEqual(['simulator.forgetful'])
    },
  )

  it('is nothing to speak of when it is not there yet', async () => {
    await using folder = await tempFolder('memory')
    const { log, told } = keepingLog()
    expect((await readMemory(join(folder.path, 'memory.json'), log)).size).toBe(0)
    expect(told).toEqual([])
  })

  it('that cannot be written is told once, and nobody is stopped by it', async () => {
    await using folder = await tempFolder('memory')
    const { log, told } = keepingLog()
    const memory = memoryOf(join(folder.path, 'no-such-folder', 'memory.json'), liftOf({}), log)
    memory.tick(MORNING_MS)
    await memory.close()
    await memory.close()
    expect(told).toEqual(['simulator.forgetful'])
  })
})
