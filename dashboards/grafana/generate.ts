/** `npm run generate`: writes the files of `provisioning/`. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildProvisioning } from './provisioning.ts'

for (const [path, text] of Object.entries(buildProvisioning())) {
  const file = fileURLToPath(new URL(`./provisioning/${path}`, import.meta.url))
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
