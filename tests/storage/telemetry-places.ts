import { startInflux } from '../servers/influx.ts'
import { tempFolder } from '../servers/temp-folder.ts'

/** Every behaviour holds for every store; each place gives a URL of a store that was never used. */
export const PLACES = [
  {
    name: 'embedded',
    async prepare() {
      const folder = await tempFolder('telemetry')
      return {
        newUrl: (name: string) => `file:${folder.path}/${name}`,
        [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
      }
    },
  },
  {
    name: 'InfluxDB 1.x',
    async prepare() {
      const server = await startInflux({ auth: true })
      return {
        newUrl: (name: string) => server.storeUrl(name),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      }
    },
  },
]
