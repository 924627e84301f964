/** The names of the faults that a lift can have, and the classes of their causes. */

/** 门系统, 电气控制, 电源, 人为, 外部, 其他. */
export const FAULT_CAUSES = ['door', 'control', 'power', 'human', 'external', 'other'] as const
export type FaultCause = (typeof FAULT_CAUSES)[number]

export const LIFT_FAULT_NAMES = [
  'door-blocked',
  'door-held-open',
  'door-will-not-open',
  'lock-contact-bounces',
  'lock-contact-opens',
  'door-opens-while-running',
  'entrapment-between-floors',
  'safety-circuit-open',
  'overspeed',
  'unintended-movement',
  'hit-top',
  'hit-bottom',
  'run-time-limiter',
  'encoder-drift',
  'brake-weak',
  'cannot-restart',
  'controller-overheats',
  'button-stuck',
  'power-cut',
  'power-cut-flat-battery',
  'e-bike',
  'vandalism',
  'alarm-by-mistake',
  'fire-recall',
  'firefighter',
  'inspection',
  'water-in-pit',
  'earthquake',
  'abnormal-vibration',
] as const
export type LiftFaultName = (typeof LIFT_FAULT_NAMES)[number]
