/** What a benchmark leaves behind when it ends or is stopped: nothing. Its folders lie in one, its processes below this one. */
import { mkdtempSync, chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'

/** Rounds of looking for processes: those that die may have started others meanwhile. */
const ROUNDS_MAX = 20

/**
 * From here on temporary folders lie in one of this run. The returned function ends all processes below this one and
 * removes that folder; SIGINT and SIGTERM do so too, and end this process as a shell expects it (128 + number).
 */
export function cleanUpAtEnd(): () => void {
  const root = mkdtempSync(join(tmpdir(), 'tiwang-bench-'))
  chmodSync(root, 0o755) // PostgreSQL runs as another user
  process.env['TMPDIR'] = root
  const cleanUp = (): void => {
    endDescendants()
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      cleanUp()
      process.exit(128 + constants.signals[signal])
    })
  return cleanUp
}

function endDescendants(): void {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    // All of them before the first is ended: the children of a dead process belong to another.
    const pids = descendantsOf(process.pid)
    if (pids.length === 0) return
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
  }
}

/** Processes below one, those that only wait to be collected left out. */
function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [...descendantsOf(child), ...(isAlive(child) ? [child] : [])])
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    )
  } catch {
    return [] // It is gone.
  }
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}
