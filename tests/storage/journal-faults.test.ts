import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tempFolder } from '../servers/temp-folder.ts'
import { onSmallDisk, withFaults, type JournalProcess } from './journal-faults.ts'

const MIB = 1024 * 1024
const options = { retryMs: 50, reserveAfterMs: 0, reserveBytes: MIB, segmentBytesMax: 256 * 1024, bytesMax: 64 * MIB }
const numbered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `message ${from + i}`)
const large = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name} ${i} `.padEnd(10_000, '.'))

describe('file journal under faults', { timeout: 120_000 }, () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>
  let folder: string
  let other: string
  beforeEach(async () => {
    temp = await tempFolder('journal-faults')
    folder = join(temp.path, 'disk', 'journal')
    other = join(temp.path, 'disk', 'of-others')
    await mkdir(join(temp.path, 'disk'))
  })
  afterEach(() => temp[Symbol.asyncDispose]())

  const disk = () => onSmallDisk(join(temp.path, 'disk'), 8 * MIB)
  const look = (child: JournalProcess) => child.ask({ do: 'look', folder })
  async function until(child: JournalProcess, what: string, holds: (now: Awaited<ReturnType<typeof look>>) => boolean) {
    const deadlineMs = Date.now() + 20_000
    for (let now = await look(child); !holds(now); now = await look(child)) {
      if (Date.now() > deadlineMs) throw new Error(`it did not come to pass: ${what}; ${JSON.stringify(now)}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  /** Appends and gives back what was acknowledged. */
  async function taken(child: JournalProcess, texts: string[], isUrgent = false) {
    const { told } = await child.ask({ do: 'append', texts, isUrgent })
    return told.filter(({ error }) => error === undefined)
  }
  async function openOn(child: JournalProcess, more: object = {}) {
    await child.ask({ do: 'open', folder, options: { ...options, ...more } })
  }
  async function withReserve(child: JournalProcess) {
    await openOn(child)
    await until(child, 'the reserve is taken', ({ reserveBytes }) => reserveBytes === MIB)
  }
  /** Fills the disk and appends until the journal notices. */
  async function fillUp(child: JournalProcess) {
    await child.ask({ do: 'fill', path: other })
    const kept = []
    for (let isNoticed = false; !isNoticed; isNoticed = (await look(child)).status.takes !== 'all')
      kept.push(...(await taken(child, large('ordinary', 5))))
    return kept.map(({ text }) => text)
  }

  it('gives its reserve to urgent records when the disk is full, and takes everything again when there is room', async () => {
    await using child = disk()
    await withReserve(child)
    const kept = (await taken(child, numbered(5))).map(({ text }) => text)
    expect(kept).toEqual(numbered(5))
    kept.push(...(await fillUp(child)))
    const { status, reserveBytes, events } = await look(child)
    expect(status.takes).toBe('urgent')
    expect(status.degraded).toContain('the disk of the journal is full')
    expect(reserveBytes).toBe(0)
    expect(events).toContain('journal.short')
    const { told } = await child.ask({ do: 'append', texts: ['ordinary'] })
    expect(told[0]?.error).toContain('its reserve is for urgent records')
    const urgent = await taken(child, numbered(20, 100), true)
    expect(urgent).toHaveLength(20)
    kept.push(...urgent.map(({ text }) => text))
    await child.ask({ do: 'remove', path: other })
    await until(child, 'everything is taken', ({ status }) => status.takes === 'all')
    expect((await look(child)).reserveBytes).toBe(MIB)
    kept.push(...(await taken(child, numbered(5, 200))).map(({ text }) => text))
    expect((await child.ask({ do: 'read' })).texts).toEqual(kept)
    await child.ask({ do: 'close' })
    await openOn(child)
    expect((await child.ask({ do: 'read' })).texts).toEqual(kept)
  })

  it('keeps the urgent ones of a batch that meets a full disk, in order, and refuses the others of it', async () => {
    await using child = disk()
    await withReserve(child)
    await child.ask({ do: 'fill', path: other })
    // Both orders are carried out together: one batch, or batches that wait for one another.
    const [ordinary, urgent] = await Promise.all([
      child.ask({ do: 'append', texts: large('ordinary', 40) }),
      child.ask({ do: 'append', texts: large('urgent', 40), isUrgent: true }),
    ])
    expect(urgent.told.filter(({ error }) => error !== undefined)).toEqual([])
    const positions = urgent.told.map(({ position }) => position)
    expect(positions).toEqual([...positions].sort((a, b) => a - b))
    const kept = ordinary.told.filter(({ error }) => error === undefined).map(({ text }) => text)
    expect(kept.length).toBeLessThan(40)
    expect((await child.ask({ do: 'read' })).texts).toEqual([...kept, ...urgent.told.map(({ text }) => text)])
  })

  it('takes nothing when the reserve is used up too, still commits, and recovers when consumers make room', async () => {
    await using child = disk()
    await withReserve(child)
    const first = await taken(child, large('first', 100))
    const kept = [...first.map(({ text }) => text), ...(await fillUp(child))]
    for (let isUsedUp = false; !isUsedUp; isUsedUp = (await look(child)).status.takes === 'nothing')
      kept.push(...(await taken(child, large('urgent', 10), true)).map(({ text }) => text))
    const { told } = await child.ask({ do: 'append', texts: ['urgent'], isUrgent: true })
    expect(told[0]?.error).toContain('no space left')
    expect((await child.ask({ do: 'read' })).texts).toEqual(kept)
    const position = first.at(-1)?.position ?? 0
    for (const consumer of ['detect', 'telemetry'] as const) await child.ask({ do: 'commit', consumer, position })
    expect((await look(child)).status.committed).toEqual({ detect: position, telemetry: position })
    // The room of 100 large records is not enough for the reserve and its margin, but for urgent records.
    await until(child, 'urgent records are taken', ({ status }) => status.takes === 'urgent')
    expect(await taken(child, large('later', 3), true)).toHaveLength(3)
    await child.ask({ do: 'remove', path: other })
    await until(child, 'everything is taken', ({ status }) => status.takes === 'all')
    expect(await taken(child, numbered(3))).toHaveLength(3)
  })

  it('opens on a full disk, reads, says what it takes, and recovers', async () => {
    await using child = disk()
    await withReserve(child)
    const kept = [...(await taken(child, numbered(5))).map(({ text }) => text), ...(await fillUp(child))]
    for (let isUsedUp = false; !isUsedUp; isUsedUp = (await look(child)).status.takes === 'nothing')
      kept.push(...(await taken(child, large('urgent', 10), true)).map(({ text }) => text))
    await child.ask({ do: 'close' })
    await child.ask({ do: 'fill', path: other })
    await openOn(child)
    expect((await look(child)).status.takes).toBe('urgent')
    expect((await child.ask({ do: 'read' })).texts).toEqual(kept)
    expect(await taken(child, ['urgent', 'x'.repeat(8_000)], true)).toEqual([])
    expect((await look(child)).status.takes).toBe('nothing')
    await child.ask({ do: 'remove', path: other })
    await until(child, 'everything is taken', ({ status }) => status.takes === 'all')
    expect(await taken(child, ['after'])).toHaveLength(1)
    expect((await child.ask({ do: 'read' })).texts).toEqual([...kept, 'after'])
  })

  it('begins a new folder on a full disk, takes nothing, and takes everything when there is room', async () => {
    await using child = disk()
    await child.ask({ do: 'fill', path: other })
    await openOn(child)
    expect(await taken(child, ['refused'], true)).toEqual([])
    expect((await look(child)).status).toMatchObject({ takes: 'nothing', lastPosition: 0 })
    await child.ask({ do: 'remove', path: other })
    await until(child, 'everything is taken', ({ status }) => status.takes === 'all')
    const [one] = await taken(child, ['one'])
    await child.ask({ do: 'commit', consumer: 'detect', position: one?.position ?? 0 })
    await child.ask({ do: 'close' })
    await openOn(child)
    expect((await look(child)).status.committed.detect).toBe(one?.position)
  })

  for (const [what, injection, errorCode] of [
    ['a write fails', 'pwrite64:error=EIO:when=6..8', 'EIO'],
    ['the disk turned read-only', 'pwrite64:error=EROFS:when=6..9', 'EROFS'],
    ['the quota of the user is used up', 'pwrite64:error=EDQUOT:when=6..9', '-122'],
  ] as const)
    it(`acknowledges nothing while ${what}, says so, and goes on by itself`, async () => {
      await using child = withFaults(injection)
      await openOn(child, { reserveBytes: 0, retryMs: 300 })
      const kept: string[] = []
      const errors: string[] = []
      for (let i = 0; errors.length === 0; i += 1) {
        const { told } = await child.ask({ do: 'append', texts: [`message ${i}`] })
        for (const { text, error } of told) {
          if (error === undefined) kept.push(text)
          else errors.push(error)
        }
      }
      expect(kept.length).toBeGreaterThan(0)
      expect(errors[0]).toContain(errorCode)
      const { status } = await look(child)
      expect(status.takes).toBe('nothing')
      expect(status.degraded).toContain(errorCode)
      expect(await taken(child, ['meanwhile'], true)).toEqual([])
      await until(child, 'it recovers', ({ status }) => status.takes === 'all')
      expect(await taken(child, ['after'])).toHaveLength(1)
      expect((await child.ask({ do: 'read' })).texts).toEqual([...kept, 'after'])
      await child.ask({ do: 'close' })
      await openOn(child)
      expect((await child.ask({ do: 'read' })).texts).toEqual([...kept, 'after'])
    })

  it('says that the disk does not answer, refuses what comes meanwhile, and acknowledges late what the disk took late', async () => {
    await using child = withFaults('pwrite64:delay_enter=3000000:when=5')
    await openOn(child, { reserveBytes: 0, answerMsMax: 200 })
    expect(await taken(child, ['one'])).toHaveLength(1)
    expect(await taken(child, ['two'])).toHaveLength(1)
    let isAnswered = false
    const slow = taken(child, ['slow']).finally(() => (isAnswered = true))
    // Asked without the disk, whose only thread waits.
    const status = async () => (await child.ask({ do: 'status' })).status
    while ((await status()).takes === 'all') await new Promise((resolve) => setTimeout(resolve, 20))
    expect(isAnswered).toBe(false)
    const reason = 'the disk of the journal does not answer'
    expect(await status()).toMatchObject({ takes: 'nothing', degraded: reason })
    const { told } = await child.ask({ do: 'append', texts: ['refused'], isUrgent: true })
    expect(told[0]?.error).toBe(reason)
    expect(await slow).toHaveLength(1)
    await until(child, 'it recovers', ({ status }) => status.takes === 'all')
    expect((await child.ask({ do: 'read' })).texts).toEqual(['one', 'two', 'slow'])
  })

  it('keeps the position of a consumer whose sync failed, and moves it with the next commit', async () => {
    await using child = withFaults('fdatasync:error=EIO:when=1')
    await openOn(child, { reserveBytes: 0 })
    const [one] = await taken(child, ['one'])
    const [two] = await taken(child, ['two'])
    const commit = (position = 0) => child.ask({ do: 'commit', consumer: 'detect', position })
    await expect(commit(one?.position)).rejects.toThrow('EIO')
    expect((await look(child)).status.committed.detect).toBe(0)
    await commit(two?.position)
    expect((await look(child)).status.committed.detect).toBe(two?.position)
    await child.ask({ do: 'close' })
    await openOn(child)
    expect((await look(child)).status.committed.detect).toBe(two?.position)
  })
})
