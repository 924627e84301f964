import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'

/** Runs `register-child.ts`. Lines come as the process says them; the process is gone when this is disposed of. */
export function startRegisterProcess(act: 'write' | 'open', url: string) {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'register-child.ts'), act, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const reader = createInterface(child.stdout)
  reader.on('line', (line) => lines.push(line))
  return {
    lines,
    /** Resolves with the line that fits, or with undefined when the process ends without it. */
    async line(fits: (line: string) => boolean): Promise<string | undefined> {
      for (;;) {
        const found = lines.find(fits)
        if (found !== undefined || child.exitCode !== null || child.signalCode !== null)
          return found ?? lines.find(fits)
        await Promise.race([once(reader, 'line'), exited])
      }
    },
    async kill(): Promise<void> {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
    exited,
    async [Symbol.asyncDispose]() {
      await this.kill()
    },
  }
}
