/** Reads revocation lists in a thread of its own: ten thousand entries take seconds, in which no terminal may wait. */
import type { X509Certificate } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { readRevocations, type Revocations } from './revocation-lists.ts'

/** A file of revocation lists and its issuers, as DER, for the thread. */
export type ListsQuestion = { readonly file: Uint8Array; readonly issuers: readonly Uint8Array[] }
/** The lists, or why they cannot be used. */
export type ListsAnswer = Revocations | string

/** A list of this many bytes, about 200 certificates, takes less time than to start a thread. */
const SHORT_BYTES_MAX = 8 * 1024
/** Longest time for one file, ms. */
const READ_MS_MAX = 60_000
/** Most memory that reading may take, MiB. */
const MEMORY_MIB_MAX = 512

/** As `readRevocations`, at any length. */
export async function readRevocationsAside(file: Buffer, issuers: readonly X509Certificate[]): Promise<Revocations> {
  if (file.length <= SHORT_BYTES_MAX) return readRevocations(file, issuers)
  const question: ListsQuestion = { file, issuers: issuers.map(({ raw }) => raw) }
  const source = import.meta.url.endsWith('.ts') ? './lists-worker-source.mjs' : './lists-worker.js'
  const worker = new Worker(new URL(source, import.meta.url), {
    workerData: question,
    name: 'revocation lists',
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB_MAX },
  })
  let timer: NodeJS.Timeout | undefined
  try {
    const answer = await new Promise<ListsAnswer>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`was not read within ${READ_MS_MAX} ms`)), READ_MS_MAX)
      worker.once('message', resolve).once('error', reject)
      worker.once('exit', () => reject(new Error('the thread that reads it ended')))
    })
    if (typeof answer === 'string') throw new Error(answer)
    return answer
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
