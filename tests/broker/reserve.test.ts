import { describe, expect, it } from 'vitest'
import { silentLog } from '#contract/log-events'
import { openJournal, type Journal, type JournalTakes } from '#storage/journal/journal'
import { tempFolder } from '../servers/temp-folder.ts'
import { brokerUnderTest, eventually, LIFT, STATUS_TOPIC } from './broker-under-test.ts'
import { puback, publishPacket } from './raw-terminal.ts'

const MESSAGE_TOPIC = `lifts/v1/${LIFT}/message`
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The real journal, short of room when a test says so. */
function shortOfRoom(real: Journal) {
  let takes: JournalTakes = 'all'
  return {
    say: (next: JournalTakes) => void (takes = next),
    status: () => ({ ...real.status(), takes, degraded: takes === 'all' ? undefined : 'short of room' }),
    append: ((entry, done) => {
      const isTaken = takes === 'all' || (takes === 'urgent' && entry.isUrgent === true)
      if (isTaken) real.append(entry, done)
      else done(new Error('short of room'), 0)
    }) as Journal['append'],
  }
}

describe('while room runs out', () => {
  it('an alarm behind a status gets through, and the status is sent again when there is room', async () => {
    let journal: ReturnType<typeof shortOfRoom> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (journal = shortOfRoom(real)) })
    const terminal = await under.admitted()
    journal?.say('urgent')
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'now and then', id: 7 }),
      publishPacket({ topic: STATUS_TOPIC, payload: 'status', id: 1 }),
      publishPacket({ topic: MESSAGE_TOPIC, payload: 'alarm', id: 2 }),
      publishPacket({ topic: STATUS_TOPIC, payload: 'unheard', qos: 0 }),
    )
    // One status now and then has a part of the reserve: the rules are not blind, and whoever waits for it goes on.
    expect(await terminal.next()).toEqual(puback(7))
    expect(await terminal.next()).toEqual(puback(2))
    await pause(600)
    expect(terminal.isClosed).toBe(false)
    expect(terminal.packets).toEqual([])
    expect(await under.metric('tiwang_broker_withheld_total')).toBe(2)
    expect((await under.records()).map(({ topic }) => topic)).toEqual([STATUS_TOPIC, MESSAGE_TOPIC])
    expect(await under.refusals()).toEqual({})

    journal?.say('all')
    expect(await terminal.next()).toBeUndefined()
    const again = await under.admitted()
    again.send(publishPacket({ topic: STATUS_TOPIC, payload: 'status', id: 1 }))
    expect(await again.next()).toEqual(puback(1))
  })

  it('a terminal that waits for each acknowledgement comes to its alarm', async () => {
    let journal: ReturnType<typeof shortOfRoom> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (journal = shortOfRoom(real)) })
    journal?.say('urgent')
    // Each time it is cut it begins with what was not acknowledged.
    const kept = [
      { topic: STATUS_TOPIC, payload: 'first' },
      { topic: STATUS_TOPIC, payload: 'second' },
      { topic: MESSAGE_TOPIC, payload: 'alarm' },
    ]
    for (let id = 1; kept.length > 0; id += 1) {
      const terminal = await under.admitted()
      for (let next = kept[0]; next !== undefined; next = kept[0]) {
        terminal.send(publishPacket({ ...next, id }))
        await pause(200)
        if (terminal.packets.length === 0) break
        expect(await terminal.next()).toEqual(puback(id))
        kept.shift()
      }
      await terminal[Symbol.asyncDispose]()
      expect(id).toBeLessThan(5)
    }
    expect((await under.records()).map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      'first',
      'second',
      'alarm',
    ])
  })

  it('a terminal that is owed nothing keeps its connection', async () => {
    let journal: ReturnType<typeof shortOfRoom> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (journal = shortOfRoom(real)) })
    const terminal = await under.admitted()
    journal?.say('urgent')
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'unheard', qos: 0 }),
      publishPacket({ topic: MESSAGE_TOPIC, payload: 'alarm', id: 2 }),
    )
    expect(await terminal.next()).toEqual(puback(2))
    journal?.say('all')
    await pause(700)
    expect(terminal.isClosed).toBe(false)
  })

  it('a terminal comes in, and when nothing is taken any more its publication costs the connection', async () => {
    let journal: ReturnType<typeof shortOfRoom> | undefined
    await using under = await brokerUnderTest({ journal: (real) => (journal = shortOfRoom(real)) })
    journal?.say('urgent')
    const terminal = await under.admitted()
    terminal.send(publishPacket({ topic: MESSAGE_TOPIC, payload: 'alarm', id: 1 }))
    expect(await terminal.next()).toEqual(puback(1))
    journal?.say('nothing')
    terminal.send(publishPacket({ topic: MESSAGE_TOPIC, payload: 'alarm', id: 2 }))
    expect(await terminal.next()).toBeUndefined()
    expect(await under.refusals()).toEqual({ 'admission.storeAway': 1 })
  })

  it('of the real journal, the last part is for alarms, until its consumers have caught up', async () => {
    await using folder = await tempFolder('short-journal')
    await using small = await openJournal(`file:${folder.path}`, { log: silentLog, bytesMax: 512 * 1024 })
    await using under = await brokerUnderTest({ journal: () => small })
    const terminal = await under.admitted()
    const payload = 'x'.repeat(10_000)
    for (let id = 1; small.status().takes === 'all'; id += 1) {
      if (id > 100) throw new Error('the journal does not fill up')
      terminal.send(publishPacket({ topic: STATUS_TOPIC, payload, id }))
      await eventually(
        'it is acknowledged, or there is no room',
        () => terminal.packets.length >= id || small.status().takes === 'urgent',
      )
    }
    terminal.packets.length = 0
    terminal.send(
      publishPacket({ topic: STATUS_TOPIC, payload: 'may be the one that is taken now and then', id: 1_000 }),
      publishPacket({ topic: STATUS_TOPIC, payload: 'status', id: 1_001 }),
      publishPacket({ topic: MESSAGE_TOPIC, payload: 'alarm', id: 1_002 }),
    )
    let answer = await terminal.next()
    if (answer?.equals(puback(1_000)) === true) answer = await terminal.next()
    expect(answer).toEqual(puback(1_002))
    expect(terminal.isClosed).toBe(false)
    for (const consumer of ['detect', 'telemetry'] as const) {
      await using reader = await small.reader(consumer)
      await reader.commit(small.status().lastPosition)
    }
    await eventually('the journal takes everything again', () => small.status().takes === 'all')
    expect(await terminal.next()).toBeUndefined()
    const again = await under.admitted()
    again.send(publishPacket({ topic: STATUS_TOPIC, payload: 'status', id: 1_001 }))
    expect(await again.next()).toEqual(puback(1_001))
  })
})
