/** A change of an alarm as subscribers get it: `alarms/v1/{town}/{lift}`, the wire form of the alarm and what changed it. */
import type { OrganisationId } from '#contract/ids'
import { alarmTopic } from '#contract/topics'
import { toWire } from '#contract/wire'
import type { AppliedAlarm } from '#storage/register/register'

export type AlarmMessage = {
  readonly topic: string
  readonly payload: Buffer
  /** Who serves the lift: decides who may hear of it. */
  readonly contractor: OrganisationId | null
}

/** `town` is that of the lift; a lift that is not registered stands in none, and its topic says so with a hyphen. */
export function alarmMessage({ alarm, occurrence }: AppliedAlarm, town: string | undefined): AlarmMessage {
  return {
    topic: alarmTopic(town ?? '', alarm.lift),
    payload: Buffer.from(JSON.stringify(toWire({ alarm, occurrence }))),
    contractor: alarm.contractor,
  }
}
