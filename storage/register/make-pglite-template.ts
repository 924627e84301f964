/**
 * Makes `pglite-template.tar.br` anew: `node --import tsx storage/register/make-pglite-template.ts`, after each change of the
 * version of PGlite. A test says when it is due. Needs GNU tar.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { TEMPLATE_PATH, TEMPLATE_VERSION_FILE } from './pglite-folder.ts'

const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite')
const { version } = JSON.parse(readFileSync(join(dirname(entry), '../package.json'), 'utf8')) as { version: string }

const folder = mkdtempSync(join(tmpdir(), 'tiwang-template-'))
try {
  // The smallest segments of the write-ahead log keep both the template and a young register small.
  const database = await PGlite.create(folder, { initDbStartParams: ['--wal-segsize=1'] })
  // Models for further databases, of which there are none: two thirds of all files.
  await database.query('update pg_database set datistemplate = false')
  for (const model of ['template0', 'template1']) await database.query(`drop database ${model}`)
  await database.query('vacuum freeze')
  await database.close() // what was not closed is recovered at the next start, and then synced file by file

  writeFileSync(join(folder, TEMPLATE_VERSION_FILE), `pglite ${version}\n`)

  const plain = ['--format=ustar', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
  const absolute = ['--absolute-names', '--transform=s,^,/,'] // as PGlite reads it
  const entries = readdirSync(folder).filter((name) => name !== 'postmaster.pid')
  const tar = execFileSync('tar', [...plain, ...absolute, '-C', folder, '-cf', '-', ...entries], {
    maxBuffer: 256 * 1024 * 1024,
  })
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: tar.length,
  }
  writeFileSync(TEMPLATE_PATH, brotliCompressSync(tar, { params }))
} finally {
  rmSync(folder, { recursive: true })
}
