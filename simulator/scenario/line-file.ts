/** A file of JSON lines that grows while something happens and must never hold it up: bounded, and what did not fit is counted. */
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import type { WriteStream } from 'node:fs'

/** Most bytes of one file. */
const FILE_BYTES_MAX = 4 * 1024 ** 3
/** Bytes that wait for the disk; beyond it lines are left out. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024

export class LineFile implements AsyncDisposable {
  readonly path: string
  readonly #stream: WriteStream
  readonly #bytesMax: number
  #bytes = 0
  #lineCount = 0
  #droppedCount = 0
  #error: Error | undefined

  private constructor(path: string, stream: WriteStream, bytesMax: number) {
    this.path = path
    this.#stream = stream
    this.#bytesMax = bytesMax
    stream.on('error', (error) => (this.#error ??= error))
  }

  /** Makes the file anew; only its owner may read it. Rejects with the error of the file system. */
  static async open(path: string, { bytesMax = FILE_BYTES_MAX }: { bytesMax?: number } = {}): Promise<LineFile> {
    const file = await open(path, 'w', 0o600)
    return new LineFile(path, file.createWriteStream(), bytesMax)
  }

  /** Lines handed to the file. */
  get lineCount(): number {
    return this.#lineCount
  }
  /** Lines that did not fit: the file was full, its disk too slow, or gone. */
  get droppedCount(): number {
    return this.#droppedCount
  }
  /** What the disk said when it could not write. */
  get error(): Error | undefined {
    return this.#error
  }

  put(value: object): void {
    const line = JSON.stringify(value) + '\n'
    const bytes = Buffer.byteLength(line)
    const isFull = this.#bytes + bytes > this.#bytesMax || this.#stream.writableLength > WAITING_BYTES_MAX
    if (isFull || this.#error !== undefined) {
      this.#droppedCount += 1
      return
    }
    this.#bytes += bytes
    this.#lineCount += 1
    this.#stream.write(line)
  }

  /** Resolves when all is on its way to the disk and the file is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stream.closed) return
    const closed = once(this.#stream, 'close')
    if (this.#error === undefined) this.#stream.end()
    else this.#stream.destroy()
    await closed.catch(() => {})
  }
}
