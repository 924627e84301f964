/** `npm run generate`: writes the files of `contract/generated`. The only file of the contract that touches a disk. */
import { mkdir, writeFile } from 'node:fs/promises'
import { buildAsyncApi } from './asyncapi.ts'
import { buildFaultPage } from './fault-page.ts'

const folder = new URL('./generated/', import.meta.url)
await mkdir(folder, { recursive: true })
await writeFile(new URL('asyncapi.json', folder), `${JSON.stringify(buildAsyncApi(), null, 2)}\n`)
await writeFile(new URL('faults.md', folder), buildFaultPage())
