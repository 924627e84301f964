/** A load process as its parent sees it. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { NOTHING, type LoadReport } from './load-counts.ts'
import type { FromLoadProcess, StartQuestion, ToLoadProcess } from './load-messages.ts'

const READY_MS_MAX = 60_000
const TELL_MS_MAX = 5_000
/** Beyond what the sessions may take to say goodbye. */
const END_MS_MAX = 10_000

export class LoadChild {
  readonly #child: ChildProcess
  /** Rejects when the process ends before it was asked to. */
  readonly failed: Promise<never>
  #report: LoadReport = NOTHING
  #isLeaving = false

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', ({ report }: FromLoadProcess) => void (this.#report = report))
    this.failed = new Promise((_, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        this.#report = { ...this.#report, counts: { ...this.#report.counts, heldCount: 0 } }
        if (!this.#isLeaving) reject(new Error(`a load process ended by itself (${signal ?? `code ${code}`})`))
      })
    })
    this.failed.catch(() => {}) // whoever cares awaits it; nobody must
  }

  /** Resolves when the process has its sessions and begins to connect them. */
  static async start(question: Omit<StartQuestion, 'kind'>): Promise<LoadChild> {
    // Built code has a process of JavaScript; source (tsx, tests) has one of TypeScript that needs its loader first.
    const isSource = import.meta.url.endsWith('.ts')
    const file = isSource ? './load-process-source.mjs' : './load-process.js'
    const path = fileURLToPath(new URL(file, import.meta.url))
    const child = new LoadChild(fork(path, { execArgv: isSource ? [] : process.execArgv, serialization: 'advanced' }))
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), READY_MS_MAX)
    try {
      child.#send({ kind: 'start', ...question })
      await Promise.race([once(child.#child, 'message', { signal: late.signal }), child.failed])
    } catch (error) {
      child.#child.kill('SIGKILL')
      throw late.signal.aborted ? new Error(`a load process did not start within ${READY_MS_MAX / 1000} s`) : error
    } finally {
      clearTimeout(timer)
    }
    return child
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** The newest that it told; of a process that has ended, the last. */
  get report(): LoadReport {
    return this.#report
  }

  /** Resolves when `report` is of this moment, or when the process has ended or does not answer for too long. */
  async tell(): Promise<void> {
    const child = this.#child
    if (!child.connected) return
    await new Promise<void>((resolve) => {
      const onMessage = ({ kind }: FromLoadProcess): void => void (kind === 'told' && settle())
      const settle = (): void => {
        clearTimeout(timer)
        child.off('message', onMessage).off('exit', settle)
        resolve()
      }
      const timer = setTimeout(settle, TELL_MS_MAX)
      child.on('message', onMessage).on('exit', settle)
      this.#send({ kind: 'tell' })
    })
  }

  speak(rate: StartQuestion['rate']): void {
    this.#send({ kind: 'speak', rate })
  }

  /** Lets it finish what is under way and say goodbye; one that does not end in time is ended. */
  async leave(drainMsMax: number): Promise<void> {
    const child = this.#child
    this.#isLeaving = true
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    const timer = setTimeout(() => child.kill('SIGKILL'), drainMsMax + END_MS_MAX)
    this.#send({ kind: 'leave', drainMsMax })
    await exited
    clearTimeout(timer)
  }

  #send(message: ToLoadProcess): void {
    // A process that has just ended tells so by itself.
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
