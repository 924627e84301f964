/** The names by which parts speak of the same thing. A string becomes one of them only by passing its schema. */
import { Type } from 'typebox'

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** The platform's id of a lift (电梯). It stays the same when the terminal, the contractor or the controller changes. */
export type LiftId = Brand<string, 'LiftId'>
export const LIFT_ID_PATTERN = '^[a-z0-9][a-z0-9-]{2,39}$'
export const LiftId = Type.Unsafe<LiftId>(
  Type.String({ pattern: LIFT_ID_PATTERN, description: 'Platform id of a lift (电梯)' }),
)

/** The serial number of a terminal (梯控设备): its MQTT user name, or the CN of its certificate. */
export type TerminalSerial = Brand<string, 'TerminalSerial'>
const TERMINAL_SERIAL_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_-]{2,39}$'
export const TerminalSerial = Type.Unsafe<TerminalSerial>(
  Type.String({ pattern: TERMINAL_SERIAL_PATTERN, description: 'Serial number of a terminal (梯控设备)' }),
)

/** `{lift}.{kind}.{onset in ms}`: the same condition always gives the same id, so that a repeat never makes a second alarm. */
export type AlarmId = Brand<string, 'AlarmId'>
const ALARM_ID_PATTERN = '^[a-z0-9][a-z0-9-]{2,39}\\.[a-z-]{3,60}\\.[0-9]{1,16}$'
export const AlarmId = Type.Unsafe<AlarmId>(
  Type.String({ pattern: ALARM_ID_PATTERN, description: '{lift}.{kind}.{onset, Unix ms}' }),
)

export type OrganisationId = Brand<string, 'OrganisationId'>
export const OrganisationId = Type.Unsafe<OrganisationId>(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{1,39}$' }))

export type UserId = Brand<string, 'UserId'>
export const UserId = Type.Unsafe<UserId>(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{1,39}$' }))

const liftIdRegExp = new RegExp(LIFT_ID_PATTERN)
const terminalSerialRegExp = new RegExp(TERMINAL_SERIAL_PATTERN)
const alarmIdRegExp = new RegExp(ALARM_ID_PATTERN)

export const isLiftId = (text: string): text is LiftId => liftIdRegExp.test(text)
export const isTerminalSerial = (text: string): text is TerminalSerial => terminalSerialRegExp.test(text)
export const isAlarmId = (text: string): text is AlarmId => alarmIdRegExp.test(text)

/** The id of the alarm of one kind whose condition began at `onsetAtMs` (Unix ms, device clock). */
export const alarmIdOf = (lift: LiftId, kind: string, onsetAtMs: number): AlarmId =>
  `${lift}.${kind}.${Math.trunc(onsetAtMs)}` as AlarmId
