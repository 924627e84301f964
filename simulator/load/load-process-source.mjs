// Starts a load process from its TypeScript source (development and tests; the built one is plain JavaScript).
import { register } from 'tsx/esm/api'

// A terminal sends its signals to the whole group, also while the source is still being read.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
register()
await import('./load-process.ts')
