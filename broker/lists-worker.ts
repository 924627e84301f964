/** Entry of the worker thread that reads revocation lists: one file, one answer. */
import { X509Certificate } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { readRevocations } from './revocation-lists.ts'
import type { ListsAnswer, ListsQuestion } from './lists-thread.ts'

const { file, issuers } = workerData as ListsQuestion // What `lists-thread.ts` has given.
const answer: ListsAnswer = await readRevocations(
  Buffer.from(file),
  issuers.map((raw) => new X509Certificate(Buffer.from(raw))),
).catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
parentPort?.postMessage(answer)
