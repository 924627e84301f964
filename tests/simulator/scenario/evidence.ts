/**
 * What has to be there for an alarm to be expected: when each kind is due, by what the terminals told. No detection, but the
 * least that any detection needs; ms from the begin.
 */
import type { AlarmKind } from '#contract/alarms'
import type { Status } from '#contract/telemetry'
import type { ScenarioPlan } from '#simulator/scenario/scenario-file'
import { dueByCodes, dueBySilence, dueByStatuses, type LiftStory } from './story.ts'

type Evidence = (lift: LiftStory, plan: ScenarioPlan) => number[]

const byCode =
  (kind: AlarmKind): Evidence =>
  (lift) =>
    dueByCodes(lift, kind)

/** Not before the first word of the car that stands there, and if none comes, when an occupied car has been silent for long. */
const byTrapped =
  (place: 'between' | 'at-level', delayMs: number): Evidence =>
  (lift, plan) =>
    lift.trapped
      .filter(({ place: where, fromMs, toMs }) => where === place && toMs - fromMs >= delayMs)
      .map(({ fromMs }) => {
        const stands = ({ carStatus, doorZone, doorClosed }: Status) =>
          carStatus === 0 && (place === 'between' ? !doorZone : doorClosed)
        const toldMs = lift.statuses.find((status) => status.atMs >= fromMs && stands(status))?.atMs ?? Infinity
        const silentMs = dueBySilence(lift, plan.startsAtMs).find((atMs) => atMs >= fromMs) ?? Infinity
        return Math.max(fromMs + delayMs, Math.min(toldMs, silentMs))
      })

const CYCLES = 5
const CYCLES_MS = 2 * 60_000

/** The doors were shut and opened again five times in two minutes. */
function byCycles({ statuses }: LiftStory): number[] {
  const opened = statuses.filter(
    ({ doorClosed, doorStatus }, index) =>
      !doorClosed &&
      doorStatus !== 1 &&
      (statuses[index - 1]?.doorClosed === true || statuses[index - 1]?.doorStatus === 1),
  )
  return opened.flatMap(({ atMs }, index) => {
    const first = opened[index - CYCLES + 1]
    return first !== undefined && atMs - first.atMs <= CYCLES_MS ? [atMs] : []
  })
}

const EVIDENCE: Partial<Record<AlarmKind, Evidence>> = {
  'entrapment-between-floors': byTrapped('between', 15_000),
  'entrapment-at-landing': byTrapped('at-level', 90_000),
  'terminal-offline': (lift, plan) => dueBySilence(lift, plan.startsAtMs),
  'door-held-open': (lift) => dueByStatuses(lift, 'door-held-open', ({ doorClosed }) => !doorClosed),
  'door-cycling': byCycles,
  'door-will-not-close': (lift) => [
    ...dueByCodes(lift, 'door-will-not-close'),
    ...dueByStatuses(lift, 'door-will-not-close', ({ doorStatus }) => doorStatus === 6),
  ],
  'stopped-outside-door-zone': (lift) => [
    ...dueByCodes(lift, 'stopped-outside-door-zone'),
    ...dueByStatuses(
      lift,
      'stopped-outside-door-zone',
      ({ carStatus, doorZone, passengerPresent }) => carStatus === 0 && !doorZone && !passengerPresent,
    ),
  ],
  'unintended-movement': (lift) => [
    ...dueByCodes(lift, 'unintended-movement'),
    ...dueByStatuses(
      lift,
      'unintended-movement',
      ({ carStatus, doorZone, doorClosed }) => carStatus === 1 && !doorZone && !doorClosed,
    ),
  ],
  'abnormal-vibration': (lift) => [
    ...dueByCodes(lift, 'abnormal-vibration'),
    ...dueByStatuses(lift, 'abnormal-vibration', ({ vibrationMg = 0 }) => vibrationMg >= 35),
  ],
  'abnormal-temperature': (lift) =>
    dueByStatuses(lift, 'abnormal-temperature', ({ temperatureC = 0 }) => temperatureC >= 60),
  'battery-low': (lift) => dueByStatuses(lift, 'battery-low', ({ batteryPct = 100 }) => batteryPct <= 20),
  'out-of-service-long': (lift) => dueByStatuses(lift, 'out-of-service-long', ({ serviceMode }) => serviceMode === 0),
  'main-power-lost': (lift) => dueByStatuses(lift, 'main-power-lost', ({ powerSource }) => powerSource === 'battery'),
}

/** When the alarm is due on this lift, as often as it is. */
export const dueOf = (kind: AlarmKind, lift: LiftStory, plan: ScenarioPlan): number[] =>
  (EVIDENCE[kind] ?? byCode(kind))(lift, plan)
