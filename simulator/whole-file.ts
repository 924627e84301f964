/** Small files that are there as a whole or not at all. */
import { open, rename, rm } from 'node:fs/promises'

/** Mode 0600, from the first byte. Writes beside the file, syncs and renames: a reader, and whoever starts after a power cut, sees the old text or the new one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const besidePath = `${path}.${process.pid}.new`
  await rm(besidePath, { force: true })
  const file = await open(besidePath, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(besidePath, path)
}
