/**
 * The contract as an AsyncAPI 3.0 document, built from the topics, the schemas and the events of the live view. Pure:
 * `generate.ts` writes it, the API serves it at `/asyncapi.json`.
 */
import { Type, type TSchema } from 'typebox'
import { Alarm, Occurrence } from './alarms.ts'
import { LIFT_ID_PATTERN } from './ids.ts'
import { DELTAS_PER_SECOND_MAX, LiveDelta, LiveHello, LiveSnapshot, PlatformHealth } from './live.ts'
import { Connection, Message, Statistics, Status } from './telemetry.ts'
import { MESSAGE_KINDS, PAYLOAD_BYTES_MAX, type MessageKind } from './topics.ts'
import { wireSchema } from './wire.ts'

/** Version of the contract, not of the program. Its first number is the `v1` of the topics and the `v` of the payloads. */
export const CONTRACT_VERSION = '1.0.0'

type MessageRow = {
  readonly zh: string
  readonly summary: string
  readonly payload: TSchema
  readonly example: unknown
}

const snapshot = {
  serviceMode: 1,
  carStatus: 0,
  carDirection: 0,
  doorZone: false,
  carPosition: '3',
  doorClosed: true,
  passengerPresent: true,
}

/** What devices publish, one row for each kind of topic. The examples are checked against the schemas by a test. */
export const DEVICE_MESSAGES: Readonly<Record<MessageKind, MessageRow>> = {
  status: {
    zh: '实时状态',
    summary: 'Real-time status: on change, at least every 10 s while running or occupied, every 60 s when idle.',
    payload: Status,
    example: {
      v: 1,
      boot: 17,
      seq: 48213,
      sampledAtMs: 1795190400123,
      ...snapshot,
      carStatus: 1,
      carDirection: 1,
      floorIndex: 2,
      positionMm: 6820,
      doorStatus: 2,
      passengerCount: 2,
      speedMps: 0.98,
      loadKg: 132,
      overload: false,
      powerSource: 'mains',
      alarmButton: false,
      safetyCircuitClosed: true,
      doorLockClosed: true,
      temperatureC: 24.1,
      vibrationMg: 7.2,
      rssiDbm: -71,
      batteryPct: 100,
    },
  },
  statistics: {
    zh: '统计信息',
    summary: 'Counters that only grow: every 15 min and after each 100 runs.',
    payload: Statistics,
    example: { v: 1, boot: 17, seq: 48214, sampledAtMs: 1795190400500, runCount: 81234, doorOpenCount: 165022 },
  },
  message: {
    zh: '故障、事件、报警',
    summary: 'A fault, event or alarm that the controller raised or cleared, with a snapshot of the status.',
    payload: Message,
    example: {
      v: 1,
      boot: 17,
      seq: 48215,
      id: 'f-1795190401000',
      codeSet: 'gbt24476',
      code: 4,
      kind: 'fault',
      raised: true,
      occurredAtMs: 1795190401000,
      snapshot,
    },
  },
  connection: {
    zh: '连接',
    summary: 'Said by the terminal after it connects; its last will on the same topic says that it is gone.',
    payload: Connection,
    example: { v: 1, boot: 17, seq: 1, state: 'online', terminal: 'TJ-0007', firmware: '1.4.2', atMs: 1795190400000 },
  },
}

type LiveRow = { readonly from: 'viewer' | 'platform'; readonly summary: string; readonly payload: TSchema }

/** The events of the namespace `/live` of Socket.IO, by name. */
export const LIVE_MESSAGES = {
  hello: {
    from: 'viewer',
    summary:
      'Asks for the present: with `since`, for what came after that delta. Said at the start and after a gap in `seq`.',
    payload: LiveHello,
  },
  snapshot: {
    from: 'platform',
    summary: 'Every lift in the scope of the viewer. It stands for all deltas up to its `seq`.',
    payload: LiveSnapshot,
  },
  delta: {
    from: 'platform',
    summary: `Whole rows of the lifts that changed, at most ${DELTAS_PER_SECOND_MAX} times a second.`,
    payload: LiveDelta,
  },
  alarm: {
    from: 'platform',
    summary: 'An alarm changed, and the line of its history that says how.',
    payload: Type.Object({ alarm: wireSchema(Alarm), occurrence: wireSchema(Occurrence) }),
  },
  health: {
    from: 'platform',
    summary: 'Which parts the platform itself is missing.',
    payload: PlatformHealth,
  },
} as const satisfies Record<string, LiveRow>

const ref = (...path: readonly string[]) => ({ $ref: `#/${path.join('/')}` })
const capital = (name: string) => name.charAt(0).toUpperCase() + name.slice(1)
const fromEntries = <T>(names: readonly string[], value: (name: string) => [string, T]) =>
  Object.fromEntries(names.map(value))

const liveNames = Object.keys(LIVE_MESSAGES) as (keyof typeof LIVE_MESSAGES)[]
const liveNamesFrom = (from: LiveRow['from']) => liveNames.filter((name) => LIVE_MESSAGES[name].from === from)

/** The document. The same input of the contract always gives the same document. */
export function buildAsyncApi(): Record<string, unknown> {
  return {
    asyncapi: '3.0.0',
    id: 'urn:tiwang:contract',
    info: {
      title: '梯望 Tiwang',
      version: CONTRACT_VERSION,
      description:
        'What lift terminals say over MQTT, what outside programs hear of alarms over MQTT, and what the live view hears over Socket.IO. Monitoring only: no topic moves a lift, and terminals may subscribe to nothing.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: servers(),
    channels: {
      ...fromEntries(MESSAGE_KINDS, (kind) => [kind, deviceChannel(kind as MessageKind)]),
      alarms: alarmsChannel(),
      live: liveChannel(),
    },
    operations: { ...deviceOperations(), sendAlarm: alarmOperation(), ...liveOperations() },
    components: {
      messages: { ...deviceMessages(), alarmChange: ALARM_CHANGE, ...liveMessages() },
      parameters: {
        lift: { description: `Platform id of a lift (电梯), ${LIFT_ID_PATTERN}`, examples: ['yinghua-7-2'] },
        town: {
          description:
            'Town (街镇) of the lift. `/`, `+`, `#` and control characters are hyphens; one hyphen when there is none.',
          examples: ['示范街道'],
        },
      },
      securitySchemes: {
        terminal: {
          type: 'userPassword',
          description: 'User name = serial number of the terminal, password = its secret.',
        },
        person: {
          type: 'userPassword',
          description: 'A person of the platform, by the user name and password of the web page.',
        },
        session: {
          type: 'httpApiKey',
          in: 'cookie',
          name: 'tiwang_session',
          description: 'Cookie set by POST /api/v1/session.',
        },
      },
    },
  }
}

function servers(): Record<string, unknown> {
  const host = { default: 'localhost', description: 'Where the platform runs' }
  const security = [ref('components', 'securitySchemes', 'terminal')]
  const bindings = { mqtt: { cleanSession: true, bindingVersion: '0.2.0' } }
  return {
    devices: {
      host: '{host}:1883',
      protocol: 'mqtt',
      protocolVersion: '3.1.1',
      title: 'Terminals, MQTT over TCP',
      description: `QoS 1; PUBACK means the message is on disk. Payloads are UTF-8 JSON of at most ${PAYLOAD_BYTES_MAX} bytes. One client id holds one connection.`,
      variables: { host },
      security,
      bindings,
    },
    devicesOverWebSocket: {
      host: '{host}:8080',
      pathname: '/mqtt',
      protocol: 'ws',
      title: 'Terminals, MQTT over WebSocket',
      description: 'The same as over TCP, with the WebSocket subprotocol `mqtt`.',
      variables: { host },
      security,
    },
    subscribers: {
      host: '{host}:1884',
      protocol: 'mqtt',
      protocolVersion: '3.1.1',
      title: 'Subscribers to alarms, MQTT over TCP',
      description:
        'A listener of its own, apart from the terminals. Clean sessions, QoS 0 and 1, nothing retained, no will; whoever publishes, or does not read, is cut.',
      variables: { host },
      security: [ref('components', 'securitySchemes', 'person')],
      bindings,
    },
    live: {
      host: '{host}:8080',
      pathname: '/socket.io/',
      protocol: 'ws',
      title: 'Live view, Socket.IO',
      description: 'Socket.IO 4, namespace `/live`. The scope of the session decides which lifts a viewer hears of.',
      variables: { host },
      security: [ref('components', 'securitySchemes', 'session')],
    },
  }
}

const deviceMessageName = (kind: string) => `device${capital(kind)}`
const liveMessageName = (name: string) => `live${capital(name)}`

function deviceChannel(kind: MessageKind): unknown {
  const { zh, summary } = DEVICE_MESSAGES[kind]
  return {
    address: `lifts/v1/{lift}/${kind}`,
    title: zh,
    summary,
    messages: { [kind]: ref('components', 'messages', deviceMessageName(kind)) },
    parameters: { lift: ref('components', 'parameters', 'lift') },
    servers: [ref('servers', 'devices'), ref('servers', 'devicesOverWebSocket')],
  }
}

function deviceOperations(): Record<string, unknown> {
  return fromEntries(MESSAGE_KINDS, (kind) => [
    `receive${capital(kind)}`,
    {
      action: 'receive',
      channel: ref('channels', kind),
      summary: `A terminal publishes under the lift that it is bound to now: ${DEVICE_MESSAGES[kind as MessageKind].zh}.`,
      messages: [ref('channels', kind, 'messages', kind)],
      bindings: { mqtt: { qos: 1, retain: false, bindingVersion: '0.2.0' } },
    },
  ])
}

function deviceMessages(): Record<string, unknown> {
  return fromEntries(MESSAGE_KINDS, (kind) => {
    const { zh, summary, payload, example } = DEVICE_MESSAGES[kind as MessageKind]
    const examples = [{ name: kind, payload: example }]
    return [deviceMessageName(kind), { name: kind, title: zh, summary, payload, examples }]
  })
}

/** What subscribers hear of an alarm. */
const ALARM_CHANGE = {
  name: 'alarmChange',
  title: '报警变化',
  summary: 'An alarm as it is now, and the line of its history that says how it came to be so.',
  payload: Type.Object({ alarm: wireSchema(Alarm), occurrence: wireSchema(Occurrence) }),
}

function alarmsChannel(): unknown {
  return {
    address: 'alarms/v1/{town}/{lift}',
    title: '报警 alarms',
    description:
      'Wildcards are allowed below `alarms/v1/`; the role and scope of the person decide what is heard. On SUBSCRIBE come the open alarms that match, oldest raise first, then changes. `occurrence.number` grows within an alarm: a smaller one than was heard before is older news.',
    messages: { alarmChange: ref('components', 'messages', 'alarmChange') },
    parameters: { town: ref('components', 'parameters', 'town'), lift: ref('components', 'parameters', 'lift') },
    servers: [ref('servers', 'subscribers')],
  }
}

function alarmOperation(): unknown {
  return {
    action: 'send',
    channel: ref('channels', 'alarms'),
    summary: 'The platform tells of each change of an alarm.',
    messages: [ref('channels', 'alarms', 'messages', 'alarmChange')],
    bindings: { mqtt: { qos: 1, retain: false, bindingVersion: '0.2.0' } },
  }
}

function liveChannel(): unknown {
  return {
    address: '/live',
    title: 'Live view 实时',
    description:
      'A namespace of Socket.IO; the name of a message is the name of its event, its payload the one argument.',
    messages: fromEntries(liveNames, (name) => [name, ref('components', 'messages', liveMessageName(name))]),
    servers: [ref('servers', 'live')],
  }
}

function liveOperations(): Record<string, unknown> {
  const channel = ref('channels', 'live')
  const message = (name: string) => ref('channels', 'live', 'messages', name)
  return {
    receiveHello: {
      action: 'receive',
      channel,
      summary: LIVE_MESSAGES.hello.summary,
      messages: liveNamesFrom('viewer').map(message),
      reply: { channel, messages: [message('snapshot'), message('delta')] },
    },
    sendLive: {
      action: 'send',
      channel,
      summary: 'A snapshot, then changes.',
      messages: liveNamesFrom('platform').map(message),
    },
  }
}

function liveMessages(): Record<string, unknown> {
  return fromEntries(liveNames, (name) => {
    const { summary, payload } = LIVE_MESSAGES[name as keyof typeof LIVE_MESSAGES]
    return [liveMessageName(name), { name, title: name, summary, payload }]
  })
}
