/** The scenarios that come with the simulator: small files in `library/`, named by folder and file (`door/blocked`). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readScenario, type ScenarioPlan } from './scenario-file.ts'

const LIBRARY_FOLDER = fileURLToPath(new URL('library', import.meta.url))
const EXTENSION = '.yaml'

/** In alphabetical order. */
export const scenarioNames = (): string[] =>
  readdirSync(LIBRARY_FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(EXTENSION))
    .map((path) => path.slice(0, -EXTENSION.length).replaceAll('\\', '/'))
    .sort()

/** The text of a scenario of the library. Throws the error of the file system when there is none of that name. */
export const scenarioText = (name: string): string => readFileSync(join(LIBRARY_FOLDER, name + EXTENSION), 'utf8')

export const scenarioOf = (name: string): ScenarioPlan => readScenario(scenarioText(name))
