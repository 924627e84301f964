import { CHECKS } from '#simulator/conformance/checks'
import type { Verdict } from '#simulator/conformance/check'
import { readCourse } from '#simulator/conformance/course'
import type { ConnectPacket, Fact, FactOf } from '#simulator/conformance/facts'
import { LIFT, SUBJECT, TERMINAL } from './kit-run.ts'

/** Unix ms at which the facts of a test begin. */
export const BEGAN_AT_MS = Date.UTC(2026, 4, 4, 10)

/** Facts by hand, for what no terminal can be made to do in a few seconds. Times are s from the beginning. */
export class Facts {
  readonly all: Fact[] = []
  #connection = 0
  #seq = 0
  boot = 7

  at(atS: number): { atMs: number } {
    return { atMs: BEGAN_AT_MS + atS * 1000 }
  }

  phase(atS: number, phase: FactOf<'phase'>['phase']): void {
    this.all.push({ ...this.at(atS), what: 'phase', phase })
  }

  connect(
    atS: number,
    packet: Partial<ConnectPacket> = {},
    o: { certificateName?: string; address?: string; returnCode?: number } = {},
  ): void {
    this.#connection += 1
    const connection = this.#connection
    const { certificateName: commonName, address = '10.0.0.2', returnCode = 0 } = o
    this.all.push({ ...this.at(atS), what: 'attempt', connection, address, isTaken: true })
    this.all.push({
      ...this.at(atS),
      what: 'connect',
      connection,
      returnCode,
      certificate: { isShown: commonName !== undefined, commonName },
      packet: {
        protocol: 'MQTT',
        level: 4,
        clientId: TERMINAL,
        userName: TERMINAL,
        password: 'sound',
        isClean: true,
        keepaliveS: 60,
        will: undefined,
        ...packet,
      },
    })
  }

  broken(atS: number, address: string): void {
    this.#connection += 1
    const connection = this.#connection
    this.all.push({ ...this.at(atS), what: 'attempt', connection, address, isTaken: true })
    this.all.push({ ...this.at(atS), what: 'broken', connection, detail: 'rubbish' })
  }

  closed(atS: number, by: FactOf<'closed'>['by']): void {
    this.all.push({ ...this.at(atS), what: 'closed', connection: this.#connection, by })
  }

  /** `saidAtS` = when it was sampled, where that is not when it came. */
  say(atS: number, kind: 'status' | 'statistics' | 'message' | 'connection', fields: object, saidAtS = atS): void {
    this.#seq += 1
    const timeName = { status: 'sampledAtMs', statistics: 'sampledAtMs', message: 'occurredAtMs', connection: 'atMs' }[
      kind
    ]
    const header = { v: 1, boot: this.boot, seq: this.#seq, [timeName]: this.at(saidAtS).atMs }
    this.all.push({
      ...this.at(atS),
      what: 'publish',
      connection: this.#connection,
      topic: `lifts/v1/${LIFT}/${kind}`,
      payload: Buffer.from(JSON.stringify({ ...header, ...fields })),
      qos: 1,
      isDuplicate: false,
      isRetained: false,
      packetId: this.#seq,
      isAnswered: true,
    })
  }

  status(atS: number, fields: object = {}, saidAtS = atS): void {
    this.say(atS, 'status', { ...IDLE, ...fields }, saidAtS)
  }

  /** The verdict of one check. */
  judge(id: string, endedAtS: number): Verdict {
    const check = CHECKS.find((one) => one.id === id)
    if (check === undefined) throw new Error(`there is no check ${id}`)
    return check.judge(readCourse(this.all, SUBJECT, this.at(endedAtS).atMs))
  }
}

const IDLE = {
  serviceMode: 1,
  carStatus: 0,
  carDirection: 0,
  doorZone: true,
  carPosition: '1',
  doorStatus: 2,
  doorClosed: true,
  passengerPresent: false,
}
