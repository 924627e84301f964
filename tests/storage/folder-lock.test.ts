import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lockFolder } from '#storage/folder-lock'
import { tempFolder } from '../servers/temp-folder.ts'

describe('folder lock', () => {
  it('lets one in, refuses the next with a sentence that says what to do, and lets the next in afterwards', async () => {
    await using folder = await tempFolder('lock')
    const first = await lockFolder(folder.path, 'DATA_DIR')
    await expect(lockFolder(folder.path, 'DATA_DIR')).rejects.toThrow(
      `DATA_DIR: the folder ${folder.path} is in use by process ${process.pid}. ` +
        'Stop that process, or give this one a folder of its own.',
    )
    await first[Symbol.asyncDispose]()
    await using _second = await lockFolder(folder.path, 'DATA_DIR')
    expect(await readdir(folder.path)).toHaveLength(1)
  })

  it('leaves nothing behind, makes folders that are missing, however deep', async () => {
    await using folder = await tempFolder('lock')
    const deep = join(folder.path, ...Array.from({ length: 20 }, () => 'a-folder-name'))
    const lock = await lockFolder(deep, 'DATA_DIR')
    await lock[Symbol.asyncDispose]()
    expect(await readdir(deep)).toEqual([])
  })

  it('takes over from a process that was killed, at once, whatever runs under its number now', async () => {
    await using folder = await tempFolder('lock')
    await using holder = await startHolder(folder.path)
    await expect(lockFolder(folder.path, 'DATA_DIR')).rejects.toThrow(`in use by process ${holder.pid}`)
    await holder.kill('SIGKILL')
    expect(await readdir(folder.path)).toHaveLength(1)
    await using _lock = await lockFolder(folder.path, 'DATA_DIR')
    expect(await readdir(folder.path)).toHaveLength(1)
    // A claim with our own number, left by an earlier life, is no claim.
    await using other = await tempFolder('lock')
    await writeFile(join(other.path, `.lock-${process.pid}-0123456789abcdef`), '')
    await using _other = await lockFolder(other.path, 'DATA_DIR')
  })

  it('does not take a process that is stopped or busy for a dead one', async () => {
    await using folder = await tempFolder('lock')
    await using holder = await startHolder(folder.path)
    process.kill(holder.pid, 'SIGSTOP')
    await expect(lockFolder(folder.path, 'DATA_DIR')).rejects.toThrow('in use')
    process.kill(holder.pid, 'SIGCONT')
  })

  it('never lets two in, however many come at the same moment', async () => {
    await using folder = await tempFolder('lock')
    for (let round = 1; round <= 5; round += 1) {
      const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder.path, 'DATA_DIR')))
      const locks = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      expect(locks.length).toBeLessThanOrEqual(1)
      for (const lock of locks) await lock[Symbol.asyncDispose]()
      expect(await readdir(folder.path)).toEqual([])
    }
  })

  it('says so when the folder cannot be one', async () => {
    await using folder = await tempFolder('lock')
    await mkdir(join(folder.path, 'a'))
    await writeFile(join(folder.path, 'a', 'file'), '')
    await expect(lockFolder(join(folder.path, 'a', 'file'), 'DATA_DIR')).rejects.toThrow()
  })
})

async function startHolder(path: string) {
  const script = `
    import { lockFolder } from '#storage/folder-lock'
    await lockFolder(process.argv[1], 'DATA_DIR')
    process.stdout.write('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), exited])
  if (child.pid === undefined || child.exitCode !== null) throw new Error('the holder of the lock did not start')
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
  }
  return { pid: child.pid, kill, [Symbol.asyncDispose]: () => kill('SIGKILL') }
}
