/** What the doors and the car do in each phase of a lift. This table alone says it. */

/**
 * `doorStatus` codes are those of `DOOR_STATUSES` (1 closing, 2 closed, 3 opening, 4 open, 6 held), `carStatus` codes those of
 * `CAR_STATUSES` (1 running). `moves` is whether the car really moves, `holds` whether it stands and keeps those inside in.
 * Only `drifting` and `braking-ajar` move with doors that are not closed, and only faults lead there.
 */
export const PHASES = {
  /** Nobody calls. */
  idle: { doorStatus: 2, carStatus: 0, moves: false, holds: false },
  /** The doors are locked, the brake is about to lift. */
  starting: { doorStatus: 2, carStatus: 0, moves: false, holds: false },
  running: { doorStatus: 2, carStatus: 1, moves: true, holds: false },
  /** The last stretch to the landing. */
  levelling: { doorStatus: 2, carStatus: 1, moves: true, holds: false },
  opening: { doorStatus: 3, carStatus: 0, moves: false, holds: false },
  /** Before people change. */
  open: { doorStatus: 4, carStatus: 0, moves: false, holds: false },
  /** After people changed. */
  exchanged: { doorStatus: 4, carStatus: 0, moves: false, holds: false },
  /** Too heavy to start: the last who got in gets out again. */
  overloaded: { doorStatus: 4, carStatus: 0, moves: false, holds: false },
  closing: { doorStatus: 1, carStatus: 0, moves: false, holds: false },
  /** Something keeps the doors half open. */
  held: { doorStatus: 6, carStatus: 0, moves: false, holds: false },
  /** The doors are kept fully open: by a wedge, or because the mode of the lift wants it. */
  'kept-open': { doorStatus: 4, carStatus: 0, moves: false, holds: false },
  /** The brake has fallen in on the way. */
  braking: { doorStatus: 2, carStatus: 1, moves: true, holds: false },
  'braking-ajar': { doorStatus: 6, carStatus: 1, moves: true, holds: false },
  /** The control has lost the car: it goes too fast or too far. */
  runaway: { doorStatus: 2, carStatus: 1, moves: true, holds: false },
  /** The brake does not hold the car at the landing. */
  drifting: { doorStatus: 4, carStatus: 1, moves: true, holds: false },
  /** The motor turns and the car stays where it is. */
  slipping: { doorStatus: 2, carStatus: 1, moves: false, holds: true },
  stuck: { doorStatus: 2, carStatus: 0, moves: false, holds: true },
  'stuck-ajar': { doorStatus: 6, carStatus: 0, moves: false, holds: true },
  'stuck-open': { doorStatus: 4, carStatus: 0, moves: false, holds: true },
  /** Doors that are not where a landing is are closed before the car is moved. */
  'closing-up': { doorStatus: 1, carStatus: 0, moves: false, holds: true },
  /** The mains are gone, the battery has not yet taken over. */
  dark: { doorStatus: 2, carStatus: 0, moves: false, holds: true },
  /** At creeping speed to a landing. */
  rescuing: { doorStatus: 2, carStatus: 1, moves: true, holds: false },
  'out-of-service': { doorStatus: 2, carStatus: 0, moves: false, holds: false },
  /** A mechanic on the car roof moves it, and stops it to work. */
  inspecting: { doorStatus: 2, carStatus: 1, moves: true, holds: false },
  'inspecting-halt': { doorStatus: 2, carStatus: 0, moves: false, holds: false },
} as const satisfies Record<string, { doorStatus: number; carStatus: 0 | 1; moves: boolean; holds: boolean }>
export type Phase = keyof typeof PHASES
