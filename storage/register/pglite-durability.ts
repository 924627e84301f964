/**
 * What makes PGlite keep its promises through a power cut. As shipped it never syncs: `-F` stands in its start parameters,
 * its file system for Node has no `fsync`, and its `fdatasync` does nothing. So three things are needed, all here and held
 * together by a test that counts the calls: no `-F`, `wal_sync_method=fsync`, and an `fsync` of our own, in place before
 * the database starts, so that the recovery after a crash is durable too.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'

/** For `startParams` of a PGlite on a folder. */
export const DURABLE_START_PARAMS: readonly string[] = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  ...['-c', 'fsync=on', '-c', 'wal_sync_method=fsync', '-c', 'synchronous_commit=on'],
]

/** An open file of the folder: `nfd` is Node's descriptor; a folder has none. */
type Stream = { readonly nfd?: number; readonly node: unknown }
/** The inside of Emscripten that we reach into; PGlite's own types leave it out. */
type Emscripten = {
  readonly NODEFS: { stream_ops: { fsync?: (stream: Stream) => number }; realPath(node: unknown): string }
  readonly FS: { readonly ErrnoError: new (errno: number) => Error }
}
const EIO = 29 // in the numbering of WASI

/** Syncs one open file or folder, by Node's descriptor; throws when the disk refuses. */
export type SyncFile = (descriptor: number, kind: 'file' | 'folder') => void

export const syncFile: SyncFile = (descriptor, kind) =>
  kind === 'file' ? fdatasyncSync(descriptor) : fsyncSync(descriptor)

/** The files of a PGlite in a folder on disk, synced whenever PostgreSQL asks for it. */
export class DurableFolder extends NodeFS {
  readonly #sync: SyncFile

  constructor(path: string, sync: SyncFile = syncFile) {
    super(path)
    this.#sync = sync
  }

  override async init(...[database, options]: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(database, options)
    const install = (module: unknown): void => {
      const { NODEFS, FS } = module as Emscripten // see the type; the test of durability fails when it is no longer so
      NODEFS.stream_ops.fsync = (stream) => {
        try {
          if (stream.nfd !== undefined) this.#sync(stream.nfd, 'file')
          else this.#syncFolder(NODEFS.realPath(stream.node))
          return 0
        } catch {
          throw new FS.ErrnoError(EIO) // PostgreSQL stops rather than trust what it could not sync
        }
      }
    }
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), install] } }
  }

  #syncFolder(path: string): void {
    const descriptor = openSync(path, 'r')
    try {
      this.#sync(descriptor, 'folder')
    } finally {
      closeSync(descriptor)
    }
  }
}
