import fc from 'fast-check'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MessageSpool } from '#simulator/scenario/message-spool'
import { LineFile } from '#simulator/scenario/line-file'
import type { RecordedMessage } from '#simulator/scenario/recording'
import { tempFolder } from '../../servers/temp-folder.ts'

const messageOf = (atMs: number, index: number): RecordedMessage => ({
  ...{ atMs, terminal: index % 3, kind: 'status' },
  payload: JSON.stringify({ index, label: '二层' }),
})

describe('the spool of a recording', () => {
  it('gives back all messages by time, those of one instant as they were put, also when most of them are on disk', async () => {
    await using folder = await tempFolder('spool')
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(50), { maxLength: 60 }),
        fc.integer({ min: 1, max: 12 }),
        async (times, runMessages) => {
          await using spool = await MessageSpool.open(folder.path, { runMessages })
          const messages = times.map(messageOf)
          for (const message of messages) {
            expect(spool.put(message)).toBe(true)
            await spool.settled()
          }
          const sorted: RecordedMessage[] = []
          for await (const message of spool.sorted()) sorted.push(message)
          expect(sorted).toEqual(messages.toSorted((a, b) => a.atMs - b.atMs))
          expect(spool.span).toEqual(
            times.length === 0 ? undefined : { fromMs: Math.min(...times), toMs: Math.max(...times) },
          )
        },
      ),
      { numRuns: 40 },
    )
    expect(await readdir(folder.path)).toEqual([])
  })

  it('puts messages of one instant in the order that it is told', async () => {
    await using folder = await tempFolder('spool')
    await using spool = await MessageSpool.open(folder.path, { runMessages: 2 })
    for (const [index, order] of [5, 3, 4, 1].entries()) {
      spool.put(messageOf(7, index), order)
      await spool.settled()
    }
    const payloads: string[] = []
    for await (const { payload } of spool.sorted()) payloads.push(payload)
    expect(payloads.map((payload) => (JSON.parse(payload) as { index: number }).index)).toEqual([3, 1, 2, 0])
  })

  it('takes no more than it may hold, and counts what it did not take', async () => {
    await using folder = await tempFolder('spool')
    await using spool = await MessageSpool.open(folder.path, { messagesMax: 3 })
    expect([1, 2, 3, 4, 5].map((atMs) => spool.put(messageOf(atMs, atMs)))).toEqual([true, true, true, false, false])
    expect({ count: spool.count, droppedCount: spool.droppedCount }).toEqual({ count: 3, droppedCount: 2 })
  })
})

describe('a file of lines', () => {
  it('holds a line for each value until it is full, and counts the rest', async () => {
    await using folder = await tempFolder('lines')
    const path = join(folder.path, 'truth.jsonl')
    const file = await LineFile.open(path, { bytesMax: 40 })
    for (let index = 0; index < 5; index += 1) file.put({ index, label: '二层' })
    await file[Symbol.asyncDispose]()
    expect({ lineCount: file.lineCount, droppedCount: file.droppedCount }).toEqual({ lineCount: 1, droppedCount: 4 })
    expect(await readFile(path, 'utf8')).toBe('{"index":0,"label":"二层"}\n')
  })

  it('is refused where it cannot be made', async () => {
    await using folder = await tempFolder('lines')
    await expect(LineFile.open(join(folder.path, 'none', 'truth.jsonl'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
