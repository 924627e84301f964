/**
 * The folder of an embedded register. A first start unpacks an initialised database instead of making one, which takes
 * ten times as long; the template is a generated file, see `make-pglite-template.ts`.
 */
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'

export const TEMPLATE_PATH = join(import.meta.dirname, 'pglite-template.tar.br')

/** The file in the template that names the version of PGlite it was made with. */
export const TEMPLATE_VERSION_FILE = 'TIWANG_TEMPLATE'

/** A tar of an initialised, empty database for exactly the installed version of PGlite. */
export const readTemplate = async (): Promise<Buffer> => promisify(brotliDecompress)(await readFile(TEMPLATE_PATH))

/**
 * The folder with the database inside `path`, made when it is not there. It gets its name only when it is whole and on
 * disk: a first start that is cut short leaves nothing that looks like a register.
 */
export async function databaseFolder(path: string): Promise<string> {
  const folder = join(path, 'database')
  if (await exists(folder)) return folder
  const unfinished = join(path, 'database.unfinished')
  await rm(unfinished, { recursive: true, force: true })
  await unpack(await readTemplate(), unfinished)
  await rename(unfinished, folder)
  await sync(path)
  return folder
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )

const BLOCK = 512
const FOLDER_TYPE = '5'
const SYNCS_AT_ONCE = 16

/** Writes a tar of files and folders, as PGlite dumps it, into a new folder, and syncs it. */
async function unpack(tar: Buffer, target: string): Promise<void> {
  const paths = new Set([target])
  await mkdir(target, { mode: 0o700 })
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0;) {
    const text = (begin: number, length: number) =>
      tar.toString('latin1', at + begin, at + begin + length).replace(/\0.*$/s, '')
    const name = join('/', text(345, 155), text(0, 100)) // from the root, so that no name leads out of the target
    const size = parseInt(text(124, 12).trim() || '0', 8)
    const path = join(target, name)
    if (text(156, 1) === FOLDER_TYPE) await mkdir(path, { recursive: true, mode: 0o700 })
    else {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeFile(path, tar.subarray(at + BLOCK, at + BLOCK + size), { mode: 0o600 })
      paths.add(dirname(path))
    }
    paths.add(path)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  await syncAll(paths)
}

/** Many at once: the file system then writes what they have in common, its journal, once for all of them. */
async function syncAll(paths: Iterable<string>): Promise<void> {
  const rest = paths[Symbol.iterator]()
  const worker = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await sync(next.value)
  }
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, worker))
}

/** Syncs a file or a folder. */
async function sync(path: string): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
