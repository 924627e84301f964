/** Our colours. A hue means a priority and nothing else; normal running is grey. They are readable on Grafana's dark and light themes. */
import type { Threshold } from '@grafana/data'
import type { Priority } from '#contract/alarms'
import type { FaultPriority } from '#contract/faults'

export const NEUTRAL = '#8e9ba8'
export const QUIET = '#5f6f7f'
const BY_PRIORITY: Readonly<Record<Priority, string>> = { 1: '#f2453d', 2: '#f08a1d', 3: '#ffe585', 4: '#86a9cf' }

export const colourOf = (priority: FaultPriority): string => (priority === 'log' ? NEUTRAL : BY_PRIORITY[priority])

/** Grey up to the first mark, then the colour of the priority from each mark on. */
export function risingThresholds(...marks: readonly (readonly [from: number, priority: Priority])[]): Threshold[] {
  return [
    { value: -Infinity, color: NEUTRAL },
    ...marks.map(([from, priority]) => ({ value: from, color: colourOf(priority) })),
  ]
}

/** The colour of the priority below each mark, grey from the last mark on. */
export function fallingThresholds(...marks: readonly (readonly [below: number, priority: Priority])[]): Threshold[] {
  const colours = [...marks.map(([, priority]) => colourOf(priority)), NEUTRAL]
  return colours.map((color, index) => ({ value: marks[index - 1]?.[0] ?? -Infinity, color }))
}
