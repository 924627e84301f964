/** A stored point back as the message that it was made of. Pure. */
import { Compile } from 'typebox/compile'
import type { Measurement } from '#contract/history'
import { ConnectionOffline, ConnectionOnline, Message, Statistics, Status } from '#contract/telemetry'
import type { StoredSample } from './town-client.ts'

/** Compiled once: what is rebuilt must be what the contract knows. */
const schemas = {
  status: Compile(Status),
  statistics: Compile(Statistics),
  message: Compile(Message),
  online: Compile(ConnectionOnline),
  offline: Compile(ConnectionOffline),
}

/** The payload, or in half a sentence why there is none. */
export type Rebuilt = { readonly payload: string } | { readonly reason: string }

/** Fields come in the order of the store. */
export function rebuilt(measurement: Measurement, { sampledAtMs, boot, seq, fields }: StoredSample): Rebuilt {
  const header = { v: 1, boot, seq }
  switch (measurement) {
    case 'status':
    case 'statistics':
      return checked(measurement, { ...header, sampledAtMs, ...fields })
    case 'message': {
      const { id, codeSet, code, kind, raised } = fields
      const snapshot = parsed(fields['snapshot'])
      return checked('message', { ...header, id, codeSet, code, kind, raised, occurredAtMs: sampledAtMs, snapshot })
    }
    case 'connection':
      return fields['state'] === 'offline'
        ? checked('offline', { v: 1, state: 'offline', terminal: fields['terminal'] })
        : checked('online', { ...header, ...fields, atMs: sampledAtMs })
  }
}

function checked(name: keyof typeof schemas, body: object): Rebuilt {
  const schema = schemas[name]
  if (schema.Check(body)) return { payload: JSON.stringify(body) }
  const [first] = schema.Errors(body)
  const where = first?.instancePath === '' || first === undefined ? '' : `${first.instancePath.slice(1)} `
  return { reason: `${name}: ${where}${first?.message ?? 'is not what the contract says'}` }
}

function parsed(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
