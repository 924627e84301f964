/** The text files of the project, as a clone has them: without what is installed, built or kept while it runs. */
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', '.git', 'dist', 'data', 'coverage'])
const NOT_TEXT = /\.(png|br|ico|woff2|tar)$/

/** Paths from the root, with `/`. */
export async function projectFiles(folder = ROOT): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(
    entries
      .filter(({ name }) => !LEFT_OUT.has(name) && name !== '.env')
      .map(async (entry) => {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) return projectFiles(path)
        return entry.isFile() && !NOT_TEXT.test(entry.name) ? [relative(ROOT, path).split(sep).join('/')] : []
      }),
  )
  return found.flat().sort()
}

export const readText = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8')
