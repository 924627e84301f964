/**
 * The faults of a lift, as one table: what they are, where they come from, how long and how often they last, and what the
 * controller says of them.
 *
 * Weights are shares of a hundred faults. Door 45, control 15, power 12, human 18, external and other together 10: our own
 * estimate from bulletins of rescue centres; of three faults a year and lift, a thirtieth traps somebody.
 */
import { gbt, vendor, type Code } from '../conditions.ts'
import type { FaultCause, LiftFaultName } from './fault-names.ts'

/**
 * `durationMs` ± half of `spreadMs` is how long it lasts from when it bites; a fault of weight 0 never comes by chance.
 *
 * Some end by themselves, whatever was asked for: `alarm-by-mistake` when the button is let go, `e-bike` when the e-bike is out
 * of the car. Others last longer than a short duration: a lift that has left service rests for 5 s at least
 * (`cannot-restart` and the other modes), `firefighter` lasts until the crew has ridden to the top and back once, and whatever
 * holds people or has moved the car lasts until the car has come to a landing.
 */
export type LiftFault = {
  readonly zh: string
  readonly en: string
  readonly cause: FaultCause
  readonly durationMs: number
  readonly spreadMs: number
  readonly weight: number
  /** What the controller says whenever this bites for as long as usual. Other codes may come with it, such as 90. */
  readonly codes: readonly Code[]
  /**
   * Whether it holds people in the car for long, and where. A plain power cut holds them too, but for less than a minute: until
   * the battery has brought the car to a landing.
   */
  readonly traps: 'between' | 'at-level' | null
}

const MINUTE_MS = 60_000
const minutes = (durationMs: number, spreadMs: number) => ({
  durationMs: durationMs * MINUTE_MS,
  spreadMs: spreadMs * MINUTE_MS,
})

export const LIFT_FAULTS = {
  'door-blocked': {
    zh: '关门受阻',
    en: 'something keeps the doors from closing',
    cause: 'door',
    ...minutes(1.5, 1.5),
    weight: 19,
    codes: [gbt(2)],
    traps: null,
  },
  'door-held-open': {
    zh: '开门被卡住',
    en: 'a wedge keeps the doors open; the controller says nothing',
    cause: 'door',
    ...minutes(8, 10),
    weight: 11,
    codes: [],
    traps: null,
  },
  'door-will-not-open': {
    zh: '到站不开门',
    en: 'the doors stay shut at the landing, with people inside',
    cause: 'door',
    ...minutes(12, 12),
    weight: 0.9,
    codes: [gbt(3)],
    traps: 'at-level',
  },
  'lock-contact-bounces': {
    zh: '门锁触点接触不良',
    en: 'the lock contact does not close; the doors open and close again and again',
    cause: 'door',
    ...minutes(2.5, 2),
    weight: 13.2,
    codes: [vendor(13)],
    traps: null,
  },
  'lock-contact-opens': {
    zh: '运行中门锁断开',
    en: 'the lock contact opens on the way and the car stops between two landings; then the contact closes again',
    cause: 'door',
    ...minutes(1, 1),
    weight: 0.7,
    codes: [gbt(1), gbt(4), vendor(13)],
    traps: 'between',
  },
  'door-opens-while-running': {
    zh: '运行中开门',
    en: 'the doors open a little while the car runs, and it stops between two landings',
    cause: 'door',
    ...minutes(15, 10),
    weight: 0.2,
    codes: [gbt(1), gbt(4), vendor(4)],
    traps: 'between',
  },
  'entrapment-between-floors': {
    zh: '非平层困人',
    en: 'the car stops between two landings with people inside, its doors closed; then it goes on and lets them out',
    cause: 'control',
    ...minutes(2, 2),
    weight: 0.6,
    codes: [gbt(4)],
    traps: 'between',
  },
  'safety-circuit-open': {
    zh: '安全回路断路',
    en: 'the safety circuit opens on the way and the car stays where the brake holds it',
    cause: 'control',
    ...minutes(18, 16),
    weight: 0.4,
    codes: [gbt(1), gbt(4)],
    traps: 'between',
  },
  overspeed: {
    zh: '超速',
    en: 'the car goes too fast and the safety gear holds it until a mechanic frees it',
    cause: 'control',
    ...minutes(25, 20),
    weight: 0.05,
    codes: [vendor(3), gbt(1), gbt(4)],
    traps: 'between',
  },
  'unintended-movement': {
    zh: '轿厢意外移动',
    en: 'the car drifts off with open doors until the stopping device holds it',
    cause: 'control',
    ...minutes(25, 20),
    weight: 0.05,
    codes: [gbt(5), gbt(4)],
    traps: 'between',
  },
  'hit-top': {
    zh: '冲顶',
    en: 'the car runs past the top landing',
    cause: 'control',
    ...minutes(25, 20),
    weight: 0.05,
    codes: [vendor(1), gbt(1), gbt(4)],
    traps: 'between',
  },
  'hit-bottom': {
    zh: '蹲底',
    en: 'the car runs past the lowest landing onto its buffer',
    cause: 'control',
    ...minutes(25, 20),
    weight: 0.05,
    codes: [vendor(2), gbt(1), gbt(4)],
    traps: 'between',
  },
  'run-time-limiter': {
    zh: '电动机运转时间限制器动作',
    en: 'the motor turns and the car does not move, until the limiter stops the motor',
    cause: 'control',
    ...minutes(15, 10),
    weight: 0.1,
    codes: [gbt(6)],
    traps: 'at-level',
  },
  'encoder-drift': {
    zh: '编码器漂移',
    en: 'the car stops farther and farther off its landings until the controller notices and corrects itself',
    cause: 'control',
    ...minutes(60, 60),
    weight: 4,
    codes: [gbt(7)],
    traps: null,
  },
  'brake-weak': {
    zh: '制动力不足',
    en: 'the car slides past its landings and has to come back',
    cause: 'control',
    ...minutes(90, 60),
    weight: 2,
    codes: [vendor(16)],
    traps: null,
  },
  'cannot-restart': {
    zh: '防止再运行故障',
    en: 'the controller does not start the lift again; people get out and it leaves service',
    cause: 'control',
    ...minutes(25, 30),
    weight: 4.5,
    codes: [gbt(8), gbt(42)],
    traps: null,
  },
  'controller-overheats': {
    zh: '控制柜过热',
    en: 'the controller gets too hot and stops the lift to cool down',
    cause: 'control',
    ...minutes(45, 30),
    weight: 2.2,
    codes: [gbt(42)],
    traps: null,
  },
  'button-stuck': {
    zh: '召唤按钮粘连',
    en: 'a call button sticks and the car comes to nobody again and again',
    cause: 'control',
    ...minutes(30, 30),
    weight: 1,
    codes: [vendor(14)],
    traps: null,
  },
  'power-cut': {
    zh: '停电',
    en: 'the mains of one lift fail; the battery brings the car to a landing',
    cause: 'power',
    ...minutes(4, 3),
    weight: 11.8,
    codes: [gbt(41), gbt(42)],
    traps: null,
  },
  'power-cut-flat-battery': {
    zh: '停电且应急电池失效',
    en: 'the mains fail and the rescue battery is flat: a running car stays between two landings, in the dark',
    cause: 'power',
    ...minutes(15, 15),
    weight: 0.2,
    codes: [gbt(41)],
    traps: 'between',
  },
  'e-bike': {
    zh: '电动车入梯',
    en: 'somebody takes an e-bike up',
    cause: 'human',
    ...minutes(3, 0),
    weight: 6,
    codes: [vendor(37)],
    traps: null,
  },
  vandalism: {
    zh: '扒门、乱按报警按钮',
    en: 'somebody forces the doors and plays with the alarm button',
    cause: 'human',
    ...minutes(4, 4),
    weight: 3.5,
    codes: [vendor(40), gbt(90)],
    traps: null,
  },
  'alarm-by-mistake': {
    zh: '误按报警按钮',
    en: 'somebody leans on the alarm button; nothing is wrong',
    cause: 'human',
    ...minutes(1, 0),
    weight: 7.5,
    codes: [gbt(90)],
    traps: null,
  },
  'fire-recall': {
    zh: '消防返回',
    en: 'the fire switch is thrown: the car goes to the lowest landing and stays there with open doors',
    cause: 'human',
    ...minutes(10, 10),
    weight: 0.5,
    codes: [gbt(44)],
    traps: null,
  },
  firefighter: {
    zh: '消防员运行',
    en: 'the lift is recalled and firefighters ride it',
    cause: 'human',
    ...minutes(12, 10),
    weight: 0.5,
    codes: [gbt(44), gbt(45)],
    traps: null,
  },
  inspection: {
    zh: '检修',
    en: 'a mechanic works on the car roof and moves the car slowly',
    cause: 'other',
    ...minutes(35, 30),
    weight: 0,
    codes: [gbt(43)],
    traps: null,
  },
  'water-in-pit': {
    zh: '底坑进水',
    en: 'water in the pit: the car goes up from it and the lift leaves service',
    cause: 'external',
    ...minutes(90, 60),
    weight: 1.5,
    codes: [gbt(42)],
    traps: null,
  },
  earthquake: {
    zh: '地震模式',
    en: 'the ground shakes: the car lets everybody out at the nearest landing and waits',
    cause: 'external',
    ...minutes(15, 10),
    weight: 0.5,
    codes: [gbt(47)],
    traps: null,
  },
  'abnormal-vibration': {
    zh: '异常震动',
    en: 'the car shakes when it runs',
    cause: 'other',
    ...minutes(120, 120),
    weight: 8,
    codes: [vendor(38)],
    traps: null,
  },
} as const satisfies Record<LiftFaultName, LiftFault>
