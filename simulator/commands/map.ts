/** `npm run simulate -- map`: a town as GeoJSON. */
import { writeFile } from 'node:fs/promises'
import { mapOf } from '../town/map.ts'
import { generateTown, LIFT_COUNT_MAX } from '../town/town.ts'
import { DEFAULT_LIFTS, DEFAULT_SEED, parseOptions, readNumber, reasonOf, WishError, type Command } from './options.ts'

const HELP = `The map of a generated town as GeoJSON (RFC 7946): roads, compounds, buildings, paths and lifts. Invented ground in WGS-84;
it lines up with no real map. The data is free of rights (CC0 1.0).

Usage: npm run simulate -- map [options]

  --lifts N     how many lifts, 1 to ${LIFT_COUNT_MAX} (default ${DEFAULT_LIFTS})
  --seed N      seed of the town (default ${DEFAULT_SEED})
  --out FILE    where to write it (default: standard output)
  -h, --help    this text
`
const OPTIONS = {
  lifts: { type: 'string' },
  seed: { type: 'string' },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

export const mapCommand: Command = {
  zh: '输出城镇地图（GeoJSON）',
  en: 'the map of a town as GeoJSON',
  help: HELP,
  run: async (args, desk) => {
    const { values } = parseOptions(args, OPTIONS)
    const liftCount = readNumber('lifts', values.lifts, 1, LIFT_COUNT_MAX, true) ?? DEFAULT_LIFTS
    const seed = readNumber('seed', values.seed, 0, 2 ** 31 - 1, true) ?? DEFAULT_SEED
    if (values.help) {
      desk.write(HELP)
      return 0
    }
    // Nothing of a map depends on when the terminals were bound.
    const map = mapOf(generateTown({ seed, liftCount, boundAtMs: 0 }))
    const text = JSON.stringify(map) + '\n'
    if (values.out === undefined) {
      desk.write(text)
      return 0
    }
    const { out } = values
    await writeFile(out, text).catch((error: unknown) => {
      throw new WishError(`--out ${out}: cannot be written (${reasonOf(error)}).`)
    })
    desk.print(`${map.features.length} features, ${liftCount} lifts, seed ${seed}: ${out}`)
    return 0
  },
}
