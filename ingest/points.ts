/** From a decoded message to the point that the telemetry store keeps. */
import type { TelemetryPoint } from '#storage/telemetry/telemetry-store'
import type { Decoded } from './decode.ts'

type Fields = Record<string, number | string | boolean>

/** One message is one point. A will carries neither sequence nor time: it is kept at the time of its receipt. */
export function pointOf(decoded: Decoded): TelemetryPoint {
  const { lift, receivedAtMs } = decoded
  const point = (sampledAtMs: number, boot: number, seq: number, fields: Fields): TelemetryPoint => ({
    measurement: decoded.kind,
    lift,
    sampledAtMs,
    boot,
    seq,
    receivedAtMs,
    fields,
  })
  switch (decoded.kind) {
    case 'status':
    case 'statistics': {
      const { v: _v, boot, seq, sampledAtMs, ...fields } = decoded.body
      return point(sampledAtMs, boot, seq, fields)
    }
    case 'message': {
      const { v: _v, boot, seq, occurredAtMs, snapshot, ...fields } = decoded.body
      return point(occurredAtMs, boot, seq, { ...fields, snapshot: JSON.stringify(snapshot) })
    }
    case 'connection': {
      const { body } = decoded
      if (body.state === 'offline') return point(receivedAtMs, 0, 0, { state: body.state, terminal: body.terminal })
      const { v: _v, boot, seq, atMs, ...fields } = body
      return point(atMs, boot, seq, fields)
    }
  }
}
