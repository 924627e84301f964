import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually, type PlatformProcess } from './platform-process.ts'
import { RELEASED, TRAPPED, alarmsOf, disorderIn, startWorkerTown, type WorkerTown } from './worker-town.ts'

const ENTRAPMENT = 'entrapment-between-floors'

describe('ingest workers that share the lifts', () => {
  let town: WorkerTown | undefined
  afterEach(async () => {
    await town?.[Symbol.asyncDispose]()
    town = undefined
  }, 60_000)

  const start = async (workerCount: number): Promise<{ town: WorkerTown; workers: readonly PlatformProcess[] }> => {
    town = await startWorkerTown({ liftCount: 24, workerCount, everyMs: 50 })
    await town.untilShared(town.workers)
    return { town, workers: town.workers }
  }
  /** One lift of the worker, somebody trapped in it from now on. */
  const trapOneOf = (of: WorkerTown, worker: PlatformProcess) => {
    const [terminal] = of.terminalsOf(of.sharesOf(worker))
    if (terminal === undefined) throw new Error('the worker has a lift')
    terminal.change = TRAPPED
    return terminal
  }

  const tableOf = ({ register }: WorkerTown) => register.shares.change((table) => table)
  /** The name under which a worker stands in the register. */
  const nameOf = async (of: WorkerTown, worker: PlatformProcess): Promise<string> => {
    const [share] = of.sharesOf(worker)
    const found = (await tableOf(of)).shares.find((row) => row.share === share)?.worker
    if (typeof found !== 'string') throw new Error('the worker holds a share')
    return found
  }
  const expectGone = async (of: WorkerTown, name: string) => {
    const { workers, shares } = await tableOf(of)
    expect(workers.map(({ worker }) => worker)).not.toContain(name)
    expect(shares.filter(({ worker }) => worker === name)).toEqual([])
  }

  it('take over from one that was killed, and lose or double nothing', { timeout: 240_000 }, async () => {
    const { town, workers } = await start(3)
    const [victim, ...living] = workers
    if (victim === undefined) throw new Error('there is a worker')
    const terminal = trapOneOf(town, victim)
    const { lift } = terminal.credentials
    await pause(1_500) // the onset is in the journal and not yet due
    const victimName = await nameOf(town, victim)
    await victim.kill('SIGKILL')
    const afterMs = await town.untilShared(living)
    await expectGone(town, victimName)
    const [alarm] = await eventually(
      () => alarmsOf(town.register, lift, ENTRAPMENT),
      ({ length }) => length > 0,
      45_000,
    )
    expect(alarm).toMatchObject({ raiseCount: 1, alarm: { raiseCount: 1, state: 'unacknowledged' } })
    terminal.change = RELEASED
    await eventually(
      () => alarmsOf(town.register, lift, ENTRAPMENT),
      ([found]) => found?.alarm.state === 'returned-unacknowledged',
      30_000,
    )
    const again = await town.addWorker()
    await town.untilShared([...living, again])
    const { acknowledgedCount, lost } = await town.verify()
    expect(lost).toEqual([])
    expect(disorderIn(town.told)).toEqual([])
    expect((await town.register.alarms.list({ scope: { all: true }, limit: 50 })).rows).toHaveLength(1)
    // eslint-disable-next-line no-console -- the figure that the test stands for
    console.info(`worked by others after ${Math.round(afterMs)} ms; ${acknowledgedCount} acknowledged, 0 lost`)
  })

  it('replace one that is frozen, which does no harm when it wakes', { timeout: 240_000 }, async () => {
    const { town, workers } = await start(2)
    const [sleeper, other] = workers
    if (sleeper === undefined || other === undefined) throw new Error('there are two workers')
    const terminal = trapOneOf(town, sleeper)
    const { lift } = terminal.credentials
    await pause(3_000)
    sleeper.child.kill('SIGSTOP')
    await town.untilShared([other])
    terminal.change = RELEASED // before the alarm is due: whoever was asleep does not know
    await pause(9_000)
    const shares = town.sharesOf(other) // those of now: it gives some of them away again
    const checkpoints = () => Promise.all(shares.map((share) => town.register.liveStates.load({ share })))
    const before = await checkpoints()
    sleeper.child.kill('SIGCONT')
    await town.untilShared([sleeper, other])
    await pause(3_000)
    for (const [index, { position }] of (await checkpoints()).entries())
      expect(position).toBeGreaterThanOrEqual(before[index]?.position ?? Infinity)
    expect(await alarmsOf(town.register, lift, ENTRAPMENT)).toEqual([])
    expect(town.alarmsTold).toEqual([])
    const { lost } = await town.verify()
    expect(lost).toEqual([])
    expect(disorderIn(town.told)).toEqual([])
  })

  it('wake alone and raise no alarm for somebody who got out meanwhile', { timeout: 180_000 }, async () => {
    const { town, workers } = await start(1)
    const [sleeper] = workers
    if (sleeper === undefined) throw new Error('there is a worker')
    const terminal = trapOneOf(town, sleeper)
    const { lift } = terminal.credentials
    await pause(3_000)
    sleeper.child.kill('SIGSTOP')
    await pause(7_000) // what it asked the journal for has expired by then, and nothing more is sent to it
    terminal.change = RELEASED
    await pause(10_000) // by the clock the alarm is due
    sleeper.child.kill('SIGCONT')
    const { lost } = await town.verify()
    expect(lost).toEqual([])
    expect(await alarmsOf(town.register, lift, ENTRAPMENT)).toEqual([])
    expect(town.alarmsTold).toEqual([])
    expect(disorderIn(town.told)).toEqual([])
  })

  it('hand everything over at once when one is stopped', { timeout: 180_000 }, async () => {
    const { town, workers } = await start(2)
    const [leaving, staying] = workers
    if (leaving === undefined || staying === undefined) throw new Error('there are two workers')
    const leavingName = await nameOf(town, leaving)
    expect(await leaving.kill('SIGTERM')).toBe(0)
    // It said so itself: nobody had to wait until its lease ran out.
    await expectGone(town, leavingName)
    await town.untilShared([staying])
    const { lost } = await town.verify()
    expect(lost).toEqual([])
    expect(disorderIn(town.told)).toEqual([])
  })
})
