/** A journal in a process of its own, on a small disk or under a tracer that makes the calls of its disk fail. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { LogEvent } from '#contract/log-events'
import type { JournalConsumer, JournalStatus } from '#storage/journal/journal'
import type { FileJournalOptions } from '#storage/journal/file-journal'

export type Order =
  | { do: 'open'; folder: string; options: Omit<FileJournalOptions, 'log' | 'nowMs'> }
  | { do: 'close' | 'status' }
  | { do: 'append'; texts: string[]; isUrgent?: boolean }
  | { do: 'look'; folder: string }
  | { do: 'read' }
  | { do: 'commit'; consumer: JournalConsumer; position: number }
  | { do: 'fill' | 'remove'; path: string }
export type Answer = {
  failed?: string
  told?: { text: string; position: number; error: string | undefined }[]
  status?: JournalStatus
  names?: string[]
  reserveBytes?: number
  events?: LogEvent[]
  texts?: string[]
}

const ANSWER_MS_MAX = 25_000

export class JournalProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #answers = new Map<number, (answer: Answer) => void>()
  #lastId = 0
  #stderr = ''

  /** `wrapper` stands before the command, such as a tracer. */
  constructor(wrapper: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [command = '', ...args] = [
      ...wrapper,
      process.execPath,
      '--import',
      'tsx',
      'tests/storage/journal-fault-child.ts',
    ]
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'inherit', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      // With everything that the wrapper starts, to be ended together.
      detached: true,
    })
    this.#child.stderr?.on('data', (text: Buffer) => (this.#stderr += text.toString()))
    this.#child.stdin?.on('error', () => {})
    this.#child.once('error', ({ message }) => {
      const hint = command === 'strace' ? '; install it with: apt-get install strace' : ''
      for (const answer of this.#answers.values()) answer({ failed: `${command} cannot be started: ${message}${hint}` })
    })
    const answers = this.#child.stdio[3] as Readable
    createInterface({ input: answers }).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line) as Answer & { id: number }
      this.#answers.get(id)?.(answer)
      this.#answers.delete(id)
    })
  }

  /** Rejects when the order fails, or when there is no answer. */
  async ask(order: Order): Promise<Required<Answer>> {
    const id = (this.#lastId += 1)
    let timer: NodeJS.Timeout | undefined
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer to ${order.do}; ${this.#stderr}`)), ANSWER_MS_MAX)
        this.#answers.set(id, resolve)
        this.#child.stdin?.write(`${JSON.stringify({ ...order, id })}\n`)
      })
      if (answer.failed !== undefined) throw new Error(answer.failed)
      return answer as Required<Answer>
    } finally {
      clearTimeout(timer)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#child
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || pid === undefined) return
    const exited = once(this.#child, 'exit')
    process.kill(-pid, 'SIGKILL')
    await exited
  }
}

/** In a file system of its own, `bytes` large, at `path`, which only this process sees. Needs root, or user namespaces. */
export function onSmallDisk(path: string, bytes: number): JournalProcess {
  const script = 'mount -t tmpfs -o "size=$1" tiwang "$2" && shift 2 && exec "$@"'
  const isRoot = process.getuid?.() === 0
  return new JournalProcess(['unshare', isRoot ? '-m' : '-rm', 'sh', '-c', script, 'sh', String(bytes), path])
}

/** With a tracer that does `injection` to a call, such as `fdatasync:error=EIO:when=4..6`; one thread does all calls of the disk. */
export function withFaults(...injections: string[]): JournalProcess {
  const calls = injections.map((injection) => injection.split(':')[0]).join(',')
  const tracer = ['strace', '-f', '-qqq', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${calls}`]
  const wrapper = [...tracer, ...injections.flatMap((injection) => ['-e', `inject=${injection}`])]
  return new JournalProcess(wrapper, { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' })
}
