/** What the stored codes mean, as value mappings: text from the contract's tables, colour from the priority of what they say. */
import { MappingType, type ValueMap } from '@grafana/grafana-foundation-sdk/dashboard'
import { ALARM_KINDS, type AlarmKind } from '#contract/alarms'
import { FAULTS } from '#contract/faults'
import { CAR_DIRECTIONS, CAR_STATUSES, DOOR_STATUSES, SERVICE_MODES, type CodeSet } from '#contract/telemetry'
import { NEUTRAL, QUIET, colourOf } from './colours.ts'

type Named = { readonly name: string; readonly zh: string; readonly en: string }
const toText = ({ zh, en }: { zh: string; en: string }) => `${zh} ${en}`

const toMapping = (results: readonly (readonly [value: string, text: string, color: string])[]): ValueMap => ({
  type: MappingType.ValueToText,
  options: Object.fromEntries(results.map(([value, text, color], index) => [value, { text, color, index }])),
})

const codes = <T extends Named>(table: readonly T[], colour: (row: T) => string): ValueMap =>
  toMapping(table.map((row, code) => [String(code), toText(row), colour(row)]))

/** A boolean field. The colour says something only where one of the two values does. */
export const flag = (whenTrue: string, whenFalse: string, trueColour: string, falseColour: string): ValueMap =>
  toMapping([
    ['true', whenTrue, trueColour],
    ['false', whenFalse, falseColour],
  ])

type ServiceModeName = (typeof SERVICE_MODES)[number]['name']
const MODE_ALARMS: Readonly<Partial<Record<ServiceModeName, AlarmKind>>> = {
  'out-of-service': 'out-of-service-long',
  inspection: 'inspection-mode',
  'fire-recall': 'fire-recall',
  firefighter: 'firefighter-operation',
  'emergency-power': 'emergency-power',
  earthquake: 'earthquake-mode',
}
export const colourOfKind = (kind: AlarmKind): string => colourOf(ALARM_KINDS[kind].priority)
export const colourOfMode = (name: ServiceModeName): string => {
  const kind = MODE_ALARMS[name]
  return kind === undefined ? (name === 'normal' ? NEUTRAL : QUIET) : colourOfKind(kind)
}

export const serviceMode = codes(SERVICE_MODES, ({ name }) => colourOfMode(name))
export const carStatus = codes(CAR_STATUSES, ({ name }) => (name === 'running' ? NEUTRAL : QUIET))
export const carDirection = codes(CAR_DIRECTIONS, ({ name }) => (name === 'none' ? QUIET : NEUTRAL))
export const doorStatus = codes(DOOR_STATUSES, ({ name }) =>
  name === 'closed' || name === 'locked' || name === 'unknown' ? QUIET : NEUTRAL,
)
export const doorZone = flag('门区内 in zone', '门区外 outside', QUIET, NEUTRAL)
export const doorClosed = flag('关门到位 closed', '未关到位 not closed', QUIET, NEUTRAL)
export const passengerPresent = flag('有人 occupied', '无人 empty', NEUTRAL, QUIET)
export const alarmButton = flag('按下 pressed', '未按 not pressed', colourOfKind('alarm-button'), QUIET)
export const safetyCircuit = flag('接通 closed', '断开 open', QUIET, colourOfKind('safety-circuit-open'))
export const raised = flag('发生 raised', '恢复 cleared', NEUTRAL, QUIET)
export const link = toMapping([
  ['online', '在线 online', NEUTRAL],
  ['offline', '离线 offline', colourOfKind('terminal-offline')],
])
export const messageClass = toMapping([
  ['fault', '故障 fault', colourOf(2)],
  ['event', '事件 event', colourOf(4)],
  ['alarm', '报警 alarm', colourOf(1)],
])

/** The codes of one set. A code that is not in the table stays a number, so that it is still seen. */
export const faultCodes = (codeSet: CodeSet): ValueMap =>
  toMapping(
    FAULTS.filter((fault) => fault.codeSet === codeSet).map((fault) => [
      String(fault.code),
      `${fault.code} ${toText(fault)}`,
      colourOf(fault.priority),
    ]),
  )
