// Starts the worker from its TypeScript source (development and tests; the built worker is plain JavaScript).
// `--import tsx` would be shorter, but Node 20 does not let it work inside a worker thread.
import { register } from 'tsx/esm/api'

register()
await import('./lists-worker.ts')
