/** Processes of a benchmark: each pinned to a core, asked and answering over Node's own channel. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const SERVER_CORE = 0
export const LOAD_CORE = 1
const ANSWER_MS_MAX = 180_000
const STOP_MS_MAX = 10_000
/** `sysconf(_SC_CLK_TCK)` of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

export class BenchProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #name: string

  constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start`)
    return this.#child.pid
  }

  /** Sends a question and waits for its one answer. Its form is agreed between the files of this folder. */
  async ask<Answer>(question: object): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error(`${this.#name} gave no answer`))), ANSWER_MS_MAX)
      const onExit = (code: number | null) =>
        settle(() => reject(new Error(`${this.#name} ended with ${code ?? this.#child.signalCode}`)))
      const onMessage = (message: { error?: string }) =>
        settle(() => {
          if (message.error === undefined)
            resolve(message as Answer) // the other end is a file of this folder
          else reject(new Error(`${this.#name}: ${message.error}`))
        })
      const settle = (then: () => void) => {
        clearTimeout(timer)
        this.#child.off('exit', onExit).off('message', onMessage)
        then()
      }
      this.#child.on('exit', onExit).on('message', onMessage)
    })
    this.#child.send(question)
    return answer
  }

  /** Ends it as a crash would; resolves when it is gone. */
  async kill(): Promise<void> {
    const exited = once(this.#child, 'exit')
    if (this.#child.kill('SIGKILL')) await exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    if (child.connected) child.disconnect()
    else child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    await exited
    clearTimeout(timer)
  }
}

/** Starts a file of this folder on one core. It ends when the channel is closed. */
export function startPinned(
  file: string,
  o: { core: number; args?: readonly string[]; profileFolder?: string | undefined },
): BenchProcess {
  const profile = o.profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${o.profileFolder}`]
  const path = fileURLToPath(new URL(file, import.meta.url))
  const node = [process.execPath, '--expose-gc', ...profile, '--import', 'tsx', path, ...(o.args ?? [])]
  const child = spawn('taskset', ['-c', String(o.core), ...node], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return new BenchProcess(child, file)
}

/** Starts a program that does not know the channel. */
export function startProgram(name: string, args: readonly string[], core: number): BenchProcess {
  const child = spawn('taskset', ['-c', String(core), name, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  return new BenchProcess(child, name)
}

/** For the child: answers each question, and ends with the channel. */
export function answerQuestions(
  answer: (question: Record<string, unknown>) => Promise<object>,
  end: () => Promise<void>,
) {
  process.on('message', (question: Record<string, unknown>) => {
    answer(question).then(
      (found) => process.send?.(found),
      (error: unknown) =>
        process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : 'unknown' }),
    )
  })
  process.once('disconnect', () => {
    end().then(
      () => process.exit(0), // a profile is written when a process ends by itself
      () => process.exit(1),
    )
  })
}

/** CPU that a process has used, user and system, s. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Memory of a process that is in RAM, bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? NaN) * 1024
}
