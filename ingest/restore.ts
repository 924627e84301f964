/** Brings back what is known of shares before work on them begins. The lifts and alarms are read once for all of them. */
import { ALARM_STATE_NAMES, ALARM_STATES, type Alarm } from '#contract/alarms'
import { shareOfLift, type HeldShare } from '#contract/shares'
import type { Page, Register } from '#storage/register/register'
import type { LiftsOfShare, Restored } from './share-work.ts'

type Source = Pick<Register, 'lifts' | 'alarms' | 'liveStates'>

/** The registered lifts, all or those of one share. */
export async function readLifts(
  register: Pick<Register, 'lifts'>,
  shareCount: number,
  share: number,
): Promise<LiftsOfShare> {
  const lifts = await register.lifts.all({ all: true })
  return lifts.filter(({ id }) => shareCount === 1 || shareOfLift(id, shareCount) === share)
}

/**
 * What stands in the register for each of the shares. They must be held by now: what their last worker wrote is then all that
 * it ever will.
 */
export async function restore(
  register: Source,
  shareCount: number,
  held: readonly (HeldShare | undefined)[],
): Promise<Restored[]> {
  const all = await register.lifts.all({ all: true })
  const openAlarms = await readOpenAlarms(register)
  const restored: Restored[] = []
  for (const each of held) {
    if (each === undefined) {
      // Positions are never used twice, not even by a journal that was begun anew: the checkpoint's stays true.
      restored.push({ lifts: all, checkpoint: await register.liveStates.load(), openAlarms })
      continue
    }
    const isOurs = (lift: string) => shareOfLift(lift, shareCount) === each.share
    const lifts = all.filter(({ id }) => isOurs(id))
    const checkpoint = await register.liveStates.load({ share: each.share, lifts: lifts.map(({ id }) => id) })
    restored.push({ lifts, checkpoint, openAlarms: openAlarms.filter(({ lift }) => isOurs(lift)) })
  }
  return restored
}

async function readOpenAlarms(register: Pick<Register, 'alarms'>): Promise<Alarm[]> {
  // An alarm that has returned waits for a person only: the rules have nothing more to say about it.
  const states = ALARM_STATE_NAMES.filter((state) => ALARM_STATES[state].open && state !== 'returned-unacknowledged')
  const openAlarms: Alarm[] = []
  let after: string | null = null
  do {
    const page: Page<Alarm> = await register.alarms.list({
      scope: { all: true },
      states,
      limit: 500,
      ...(after === null ? {} : { after }),
    })
    openAlarms.push(...page.rows)
    after = page.next
  } while (after !== null)
  return openAlarms
}
