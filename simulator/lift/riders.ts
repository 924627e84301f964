/** The people of a lift: who gets out and in at a stop, who must step out again, and who walks. Nobody is ever lost. */
import type { RiderGroup } from '../town/residents.ts'
import { directionOf, massKg, nextStop, personCount, type Calls, type Direction } from './calls.ts'
import { begin, heightOf, topLanding, type LiftPlan, type LiftState } from './lift-state.ts'

/** How long the doors stay open beside the time that people need, when people only get out and when some get in. */
const CAR_CALL_DWELL_MS = 3000
const HALL_CALL_DWELL_MS = 5000
/** Doors that opened again, and nobody comes. */
const REOPENED_DWELL_MS = 1500
/** A car so full passes those who wait, and nobody more squeezes in. */
const FULL_SHARE = 0.8
/** A car so heavy does not start: 110 % of its rated load. */
const OVERLOAD_SHARE = 1.1
/** Until somebody gives in and steps out of a car that is too heavy. */
const OVERLOAD_MS = 4000
/** Groups that wait for one lift; more take the stairs. */
const WAITING_MAX = 12

const isFull = (plan: LiftPlan, groups: readonly RiderGroup[]): boolean =>
  massKg(groups) >= FULL_SHARE * plan.ratedLoadKg
export const isTooHeavy = (plan: LiftPlan, groups: readonly RiderGroup[]): boolean =>
  massKg(groups) > OVERLOAD_SHARE * plan.ratedLoadKg

/** The calls that the car heeds. */
export function callsOf(plan: LiftPlan, state: LiftState): Calls {
  const { aboard, summons } = state
  if (state.isEvacuating) return { aboard: [], waiting: [], summons }
  return isFull(plan, aboard) ? { aboard, waiting: [], summons: null } : state
}

/** A group comes to its landing, and waits or takes the stairs: also before a lift without power, whatever it says. */
export function join(plan: LiftPlan, state: LiftState, group: RiderGroup): LiftState {
  const arrivedCount = state.arrivedCount + group.count
  const isOff = state.serviceMode !== 1 || state.onBatterySinceMs !== null
  const walks = isOff || state.waiting.length >= WAITING_MAX || isTooHeavy(plan, [group])
  return walks
    ? { ...state, arrivedCount, stairsCount: state.stairsCount + group.count }
    : { ...state, arrivedCount, waiting: [...state.waiting, group] }
}

/** Somebody comes first of all, from where the car is, so that a fault which needs people finds some. */
export function joinFirst(plan: LiftPlan, state: LiftState, o: { from?: number; massKg?: number } = {}): LiftState {
  const from = o.from ?? state.stop ?? 0
  const to = from === 0 ? topLanding(plan) : 0
  const group: RiderGroup = { count: 2, massKg: o.massKg ?? 131, from, to, transferMs: 3500 }
  return { ...state, arrivedCount: state.arrivedCount + group.count, waiting: [group, ...state.waiting] }
}

/** Those who wait walk. */
export const sendAway = (state: LiftState): LiftState =>
  state.waiting.length === 0
    ? state
    : { ...state, waiting: [], stairsCount: state.stairsCount + personCount(state.waiting) }

/** Those in the car walk out of its open doors, and on by the stairs. */
export const walkOut = (state: LiftState): LiftState =>
  state.aboard.length === 0
    ? state
    : {
        ...state,
        aboard: [],
        stairsCount: state.stairsCount + personCount(state.aboard),
        counters: countOut(state, state.aboard),
      }

const countOut = ({ counters }: LiftState, leaving: readonly RiderGroup[]) => ({
  ...counters,
  passengerCount: counters.passengerCount + personCount(leaving),
})

const transferMs = (groups: readonly RiderGroup[]): number => groups.reduce((sum, group) => sum + group.transferMs, 0)

/** How long the doors stay open at this stop, from when they are open. */
export function dwellMs(plan: LiftPlan, state: LiftState): number {
  const { leaving, entering } = transfer(plan, state)
  if (leaving.length + entering.length === 0 && state.reopenCount > 0) return REOPENED_DWELL_MS
  const dwell = entering.length > 0 ? HALL_CALL_DWELL_MS : CAR_CALL_DWELL_MS
  return dwell + transferMs(leaving) + transferMs(entering)
}

/** Who gets out and in at this stop, and which way the car goes then. */
function transfer(plan: LiftPlan, state: LiftState) {
  const { isEvacuating, stop } = state
  const leaving = state.aboard.filter(({ to }) => isEvacuating || to === stop)
  const staying = leaving.length === 0 ? state.aboard : state.aboard.filter((group) => !leaving.includes(group))
  const direction = directionOnwards(plan, state, staying)
  const inside = [...staying]
  if (!isEvacuating)
    for (const group of state.waiting)
      if (group.from === stop && directionOf(group) === direction && !isFull(plan, inside)) inside.push(group)
  return { leaving, entering: inside.slice(staying.length), inside, direction }
}

/** On as before while someone calls from ahead, else as the first who waits here wishes, else back, else nowhere. */
function directionOnwards(plan: LiftPlan, state: LiftState, staying: readonly RiderGroup[]): Direction {
  const { stop, summons } = state
  const calls = { aboard: staying, waiting: state.waiting.filter(({ from }) => from !== stop), summons }
  const next = nextStop(calls, plan.heightsMm, { fromMm: heightOf(plan, stop ?? 0), direction: state.direction })
  if (next !== undefined && (next.way === state.direction || staying.length > 0)) return next.way
  const first = state.waiting.find(({ from }) => from === stop)
  return first === undefined ? (next?.way ?? 0) : directionOf(first)
}

/** People get out and in. Those let out elsewhere than they wished walk the rest. */
export function exchange(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const halfDwellMs = dwellMs(plan, state) / 2
  const { leaving, entering, inside, direction } = transfer(plan, state)
  const arrived = leaving.filter(({ to }) => to === state.stop)
  const exchanged: LiftState = {
    ...state,
    direction,
    aboard: inside,
    waiting: entering.length === 0 ? state.waiting : state.waiting.filter((group) => !entering.includes(group)),
    deliveredCount: state.deliveredCount + personCount(arrived),
    stairsCount: state.stairsCount + personCount(leaving) - personCount(arrived),
    counters: leaving.length === 0 ? state.counters : countOut(state, leaving),
  }
  return isTooHeavy(plan, inside)
    ? begin(exchanged, 'overloaded', atMs, OVERLOAD_MS)
    : begin(exchanged, 'exchanged', atMs, halfDwellMs)
}

/** Those who got in last step out of a car that is too heavy, and wait for the next ride; when there will be none they walk. */
export function stepOut(plan: LiftPlan, state: LiftState, atMs: number): LiftState {
  const last = state.aboard.at(-1)
  if (last === undefined) return begin(state, 'exchanged', atMs, REOPENED_DWELL_MS)
  const aboard = state.aboard.slice(0, -1)
  const lighter =
    state.isEvacuating || state.serviceMode !== 1
      ? { ...state, aboard, stairsCount: state.stairsCount + last.count }
      : { ...state, aboard, waiting: [last, ...state.waiting] }
  return isTooHeavy(plan, lighter.aboard)
    ? begin(lighter, 'overloaded', atMs, OVERLOAD_MS)
    : begin(lighter, 'exchanged', atMs, last.transferMs)
}
