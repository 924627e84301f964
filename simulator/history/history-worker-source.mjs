// Starts the worker from its TypeScript source (development and tests; the built worker is plain JavaScript).
import { register } from 'tsx/esm/api'

register()
await import('./history-worker.ts')
