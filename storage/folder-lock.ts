/**
 * One process at a time may have a folder of ours open. Each opener puts a listening socket of its own into the folder and
 * then looks at those of others. The kernel answers for a socket: one that refuses a connection belongs to a process that
 * is gone, however it ended. So no process id is compared (they repeat in containers), no clock is read, an owner that is
 * busy is not taken for dead, and containers that share a volume see one another.
 */
import { randomBytes } from 'node:crypto'
import { open, mkdir, readdir, rm, type FileHandle } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

const CLAIM = /^\.lock-(\d+)-[0-9a-f]{16}$/
/** Two that come at the same moment may each see the other: both step back and try again after a random wait. */
const TRIES = 4
const STEP_BACK_MS_MAX = 150
const ANSWER_MS_MAX = 1_000

/**
 * Takes the folder for this process, making it when it is not there, until the returned value is disposed of or the process
 * ends. Throws a sentence that says who has it and what to do. `what` is what people call the folder, such as "DATA_DIR".
 * The path must be on a local file system that knows sockets.
 */
export async function lockFolder(path: string, what: string): Promise<AsyncDisposable> {
  await mkdir(path, { recursive: true })
  const folder = await open(path)
  try {
    for (let tryCount = 1; ; tryCount += 1) {
      const owner = await claimFolder({ path, folder, what })
      if (typeof owner !== 'number') return owner
      if (tryCount === TRIES)
        throw new Error(
          `${what}: the folder ${path} is in use by process ${owner}. ` +
            'Stop that process, or give this one a folder of its own.',
        )
      await new Promise((wake) => setTimeout(wake, Math.random() * STEP_BACK_MS_MAX))
    }
  } catch (error) {
    await folder.close()
    throw error
  }
}

/** The lock, or the process id (in its own container) of somebody who was there first. */
async function claimFolder(o: { path: string; folder: FileHandle; what: string }): Promise<AsyncDisposable | number> {
  const name = `.lock-${process.pid}-${randomBytes(8).toString('hex')}`
  const server = await listenAt(socketPath(o, name)).catch((error: unknown) => {
    throw new Error(`${o.what}: the folder ${o.path} cannot be locked; it must be on a local, writable disk`, {
      cause: error,
    })
  })
  // Our claim stands before we look, so of two openers at least the later one sees the other.
  for (const other of await readdir(o.path)) {
    const pid = CLAIM.exec(other)?.[1]
    if (pid === undefined || other === name) continue
    if (await isAlive(socketPath(o, other))) {
      await closeServer(server)
      return Number(pid)
    }
    await rm(join(o.path, other), { force: true })
  }
  return {
    async [Symbol.asyncDispose]() {
      await closeServer(server) // this also removes the socket from the folder
      await o.folder.close()
    },
  }
}

/** The address of a socket is at most 107 bytes long; by way of the open folder it is short however deep the folder lies. */
const socketPath = (o: { path: string; folder: FileHandle }, name: string): string =>
  process.platform === 'linux' ? `/proc/self/fd/${o.folder.fd}/${name}` : join(o.path, name)

function listenAt(path: string): Promise<Server> {
  const server = createServer((asker) => asker.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, () => {
      server.off('error', reject).on('error', () => {}) // a failed accept changes nothing: the kernel has answered
      server.unref()
      resolve(server)
    })
  })
}

const closeServer = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()))

/** Only a refusal proves that the owner is gone; what we cannot tell counts as alive. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asker = connect(path)
    const answer = (alive: boolean) => {
      asker.destroy()
      resolve(alive)
    }
    asker.setTimeout(ANSWER_MS_MAX, () => answer(true))
    asker.once('connect', () => answer(true))
    asker.once('error', (error: NodeJS.ErrnoException) => {
      answer(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK')
    })
  })
}
