import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DuckDBInstance } from '@duckdb/node-api'
import { describe, expect, it } from 'vitest'
import { silentLog, type Log } from '#contract/log-events'
import { packPoints } from '#storage/telemetry/point-columns'
import { TablesThread } from '#storage/telemetry/tables-thread'
import { openTelemetryStore, type TelemetryStore } from '#storage/telemetry/telemetry-store'
import { tempFolder } from '../servers/temp-folder.ts'
import { LIFT, statusPoint, T0 } from './telemetry-points.ts'

const ALL = { lift: LIFT, measurement: 'status', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER } as const
const open = (folder: string): Promise<TelemetryStore> => openTelemetryStore(`file:${folder}`, { log: silentLog })

describe('embedded telemetry store', () => {
  it('has every acknowledged point after its process was killed, however often', { timeout: 120_000 }, async () => {
    await using folder = await tempFolder('telemetry')
    for (let round = 0; round < 3; round += 1) {
      const { child, lines } = startAppender(folder.path)
      let takenCount = 0
      for await (const line of lines) {
        takenCount = Math.max(takenCount, Number(line))
        // In the middle of a batch, and once far enough for a checkpoint to have been written.
        if (takenCount >= (round + 1) * 10_000) child.kill('SIGKILL')
      }
      await using store = await open(folder.path)
      const count = await store.count(ALL)
      expect(count).toBeGreaterThanOrEqual(takenCount)
      // A batch is there as a whole or not at all, and the next process repeats from the start without doubling.
      expect(count % 500).toBe(0)
    }
  })

  it('is refused with a sentence when another process has the folder open', async () => {
    await using folder = await tempFolder('telemetry')
    const { child, lines } = startAppender(folder.path, 'hold')
    try {
      await once(lines, 'line')
      await expect(open(folder.path)).rejects.toThrow(
        `the telemetry folder ${folder.path} is open in another process (pid ${child.pid}): stop it, or set TELEMETRY_URL to another folder`,
      )
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await using store = await open(folder.path)
    await store.check()
  })

  it('is refused when this process has the folder open already, by whatever path', async () => {
    await using folder = await tempFolder('telemetry')
    {
      await using store = await open(folder.path)
      await expect(open(`${folder.path}/../${folder.path.split('/').at(-1)}`)).rejects.toThrow(
        /is already open in this process/,
      )
      await store.append([statusPoint({})])
    }
    await using store = await open(folder.path)
    expect(await store.count(ALL)).toBe(1)
  })

  it('says what is wrong with a folder that is none, or that holds something else', async () => {
    await using folder = await tempFolder('telemetry')
    await writeFile(join(folder.path, 'note'), 'not a folder')
    await expect(open(join(folder.path, 'note'))).rejects.toThrow(
      /^the telemetry folder .*note cannot be made or read: /,
    )
    await mkdir(join(folder.path, 'other'))
    await writeFile(join(folder.path, 'other', 'telemetry.duckdb'), 'this is no database'.repeat(1_000))
    await expect(open(join(folder.path, 'other'))).rejects.toThrow(/^the telemetry store in .*other cannot be opened: /)
  })

  it('adds the fields that an older file does not have, and keeps those that it has besides', async () => {
    await using folder = await tempFolder('telemetry')
    const older = await DuckDBInstance.create(join(folder.path, 'telemetry.duckdb'))
    const connection = await older.connect()
    await connection.run(
      `CREATE TABLE status (boot BIGINT, lift VARCHAR, "sampledAtMs" BIGINT, seq BIGINT, "receivedAtMs" BIGINT, forgotten DOUBLE, "speedMps" DOUBLE);
       INSERT INTO status VALUES (17, '${LIFT}', ${T0}, 1, ${T0 + 40}, 7, 0.5)`,
    )
    connection.closeSync()
    older.closeSync()
    await using store = await open(folder.path)
    const before = statusPoint({ seq: 1, fields: { speedMps: 0.5 } })
    const after = statusPoint({ atMs: T0 + 1, seq: 2 })
    await store.append([before, after])
    expect(await store.points({ ...ALL, limit: 9 })).toEqual([before, after])
  })

  it('does not open a file whose column has another type', async () => {
    await using folder = await tempFolder('telemetry')
    const other = await DuckDBInstance.create(join(folder.path, 'telemetry.duckdb'))
    const connection = await other.connect()
    await connection.run('CREATE TABLE status (lift VARCHAR, "sampledAtMs" VARCHAR)')
    connection.closeSync()
    other.closeSync()
    await expect(open(folder.path)).rejects.toThrow(
      /column sampledAtMs of status is VARCHAR in the file and BIGINT in this version/,
    )
  })

  it('is away when its thread ends, comes back by itself, and has lost nothing', async () => {
    await using folder = await tempFolder('telemetry')
    const events: string[] = []
    const note = (event: string): void => void events.push(event)
    const log: Log = { debug: note, info: note, warn: note, error: note }
    await using thread = new TablesThread(folder.path, log)
    await thread.open()
    const batches = (seq: number) => packPoints([statusPoint({ atMs: T0 + seq, seq })])
    await thread.ask({ kind: 'append', batches: batches(1) })
    for (let round = 0; round < 3; round += 1) {
      // A batch for a table that is not there breaks the thread; what is asked meanwhile is answered or away, never open for ever.
      const broken = batches(2).map((batch) => ({ ...batch, measurement: 'nothing' as never }))
      const asked = [
        thread.ask({ kind: 'append', batches: broken }),
        thread.ask({ kind: 'count', query: ALL }),
        thread.ask({ kind: 'append', batches: batches(3) }),
      ]
      const [first, , third] = await Promise.allSettled(asked)
      expect(first).toMatchObject({ status: 'rejected', reason: { kind: 'away' } })
      expect(third).toMatchObject({ status: 'rejected', reason: { kind: 'away' } })
      await expect
        .poll(
          () =>
            thread.ask({ kind: 'check' }).then(
              () => 'back',
              () => 'away',
            ),
          { timeout: 20_000 },
        )
        .toBe('back')
    }
    expect(events).toEqual([
      'telemetry.away',
      'telemetry.back',
      'telemetry.away',
      'telemetry.back',
      'telemetry.away',
      'telemetry.back',
    ])
    await thread.ask({ kind: 'append', batches: [...batches(1), ...batches(3)] })
    expect(await thread.ask({ kind: 'count', query: ALL })).toBe(2)
  })

  it('turns questions away instead of letting them pile up', async () => {
    await using folder = await tempFolder('telemetry')
    await using store = await open(folder.path)
    const answers = await Promise.allSettled(Array.from({ length: 80 }, () => store.count(ALL)))
    expect(answers.filter((answer) => answer.status === 'fulfilled')).toHaveLength(64)
    expect(answers.at(-1)).toMatchObject({ status: 'rejected', reason: { kind: 'away' } })
    expect(await store.count(ALL)).toBe(0)
  })
})

function startAppender(
  folder: string,
  mode = 'append',
): { child: ChildProcess; lines: ReturnType<typeof createInterface> } {
  const file = new URL('telemetry-appender.ts', import.meta.url).pathname
  const child = spawn(process.execPath, ['--import', 'tsx', file, `file:${folder}`, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, lines: createInterface({ input: child.stdout }) }
}
