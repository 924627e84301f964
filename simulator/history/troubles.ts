/** What goes wrong with a lift in a stretch of its past, and when its mechanic comes: drawn from the seed and the lift's id alone. */
import type { LiftId } from '#contract/ids'
import { CHANCE_MS } from '../lift/faults/course.ts'
import { LIFT_FAULT_NAMES, LIFT_FAULTS, type LiftFaultName } from '../lift/faults.ts'
import { RandomStream, textWord } from '../random.ts'
import { DAY_MS, dayKindOf, ZONE_MS } from '../town/calendar.ts'

export type Trouble = { readonly name: LiftFaultName; readonly atMs: number; readonly durationMs: number }

/** Three faults a year and lift are real; four times as many, so that the last month of 120 lifts has some of most kinds. */
export const FAULTS_PER_YEAR = 3 * 4
const YEAR_MS = 365.25 * DAY_MS
/** Lifts are maintained every 15 days at the latest (半月维保). */
const MAINTENANCE_DAYS = 15
/** Local time at which a mechanic may begin. */
const WORK_HOURS = { from: 9, to: 16 } as const
/** A fault that is over still needs the time to let its people out. */
const MARGIN_MS = 15 * 60_000

type Span = { readonly seed: number; readonly lift: LiftId; readonly fromMs: number; readonly untilMs: number }

/** In order of time. All are over before `untilMs`, so that the lift is sound when somebody takes it on from there. */
export function troublesOf(span: Span): Trouble[] {
  return [...faultsOf(span), ...maintenanceOf(span)]
    .filter(({ atMs, durationMs }) => atMs + CHANCE_MS + durationMs + MARGIN_MS <= span.untilMs)
    .sort((a, b) => a.atMs - b.atMs)
}

function faultsOf({ seed, lift, fromMs, untilMs }: Span): Trouble[] {
  const random = new RandomStream(seed, textWord(lift), 50)
  const troubles: Trouble[] = []
  const waitMs = (): number => Math.ceil(random.wait(YEAR_MS / FAULTS_PER_YEAR))
  for (let atMs = fromMs + waitMs(); atMs < untilMs; atMs += waitMs())
    troubles.push({ atMs, ...drawTrouble(random, drawName(random)) })
  return troubles
}

function drawName(random: RandomStream): LiftFaultName {
  let left = random.next() * LIFT_FAULT_NAMES.reduce((sum, name) => sum + LIFT_FAULTS[name].weight, 0)
  return LIFT_FAULT_NAMES.find((name) => (left -= LIFT_FAULTS[name].weight) < 0) ?? 'door-blocked'
}

function drawTrouble(random: RandomStream, name: LiftFaultName): Omit<Trouble, 'atMs'> {
  const { durationMs, spreadMs } = LIFT_FAULTS[name]
  return { name, durationMs: Math.round(durationMs + (random.next() - 0.5) * spreadMs) }
}

/** On working days, in the hours at which mechanics work. */
function maintenanceOf({ seed, lift, fromMs, untilMs }: Span): Trouble[] {
  const random = new RandomStream(seed, textWord(lift), 51)
  const firstDay = Math.floor((fromMs + ZONE_MS) / DAY_MS)
  const shift = random.integer(0, MAINTENANCE_DAYS - 1)
  const troubles: Trouble[] = []
  for (let wanted = firstDay - (firstDay % MAINTENANCE_DAYS) + shift; ; wanted += MAINTENANCE_DAYS) {
    let day = wanted
    while (dayKindOf(day) !== 'workday') day -= 1
    const hour = WORK_HOURS.from + random.next() * (WORK_HOURS.to - WORK_HOURS.from)
    const atMs = day * DAY_MS - ZONE_MS + Math.round(hour * 3600_000)
    const trouble = { atMs, ...drawTrouble(random, 'inspection') }
    if (atMs >= untilMs) return troubles
    if (atMs >= fromMs) troubles.push(trouble)
  }
}
