/**
 * Makes `pglite-template.tar.br` anew: `node --import tsx storage/register/make-pglite-template.ts`, after each change of the
 * version of PGlite. A test says when it is due.
 */
import { writeFile } from 'node:fs/promises'
import { brotliCompressSync, constants } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { TEMPLATE_PATH } from './pglite-folder.ts'

// The smallest segments of the write-ahead log keep both the template and a young register small.
await using database = await PGlite.create({ initDbStartParams: ['--wal-segsize=1'] })
await database.exec('vacuum freeze')
await database.exec('checkpoint')
const tar = Buffer.from(await (await database.dumpDataDir('none')).arrayBuffer())
const packed = brotliCompressSync(tar, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    // Wide enough to see that the three databases of a new cluster are the same.
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: tar.length,
  },
})
await writeFile(TEMPLATE_PATH, packed)
