import type { Flaws } from './fake-terminal.ts'
import type { LiftId } from '#contract/ids'

/** Terminals that are wrong in one way each, and the checks that must find it: these and no others. */
export const BROKEN_TERMINALS: readonly {
  readonly name: string
  readonly flaws: Flaws
  readonly fails: readonly string[]
}[] = [
  { name: 'leaves no will', flaws: { will: 'none' }, fails: ['will.present'] },
  { name: 'leaves a will that says something else', flaws: { will: 'payload' }, fails: ['will.payload'] },
  { name: 'leaves its will on another topic', flaws: { will: 'topic' }, fails: ['will.topic'] },
  { name: 'asks for its will to be retained', flaws: { will: 'retained' }, fails: ['will.flags'] },
  { name: 'never says online', flaws: { hasNoBirth: true }, fails: ['birth.present'] },
  { name: 'publishes for another lift', flaws: { foreignLift: 'another-lift-1' as LiftId }, fails: ['topic.own'] },
  { name: 'sends a word where a code belongs', flaws: { isWrongSchema: true }, fails: ['schema.status'] },
  { name: 'leaves out numbers', flaws: { skipsNumbers: true }, fails: ['seq.step'] },
  { name: 'begins its numbers anew with the same boot', flaws: { restartsNumbers: true }, fails: ['seq.unique'] },
  { name: 'is silent while somebody is inside', flaws: { isQuietWhenBusy: true }, fails: ['heartbeat.busy'] },
  { name: 'has a clock two hours behind', flaws: { clockAheadMs: -7_200_000 }, fails: ['clock.skew'] },
  { name: 'has a clock two hours ahead', flaws: { clockAheadMs: 7_200_000 }, fails: ['clock.skew', 'clock.future'] },
  { name: 'stamps samples when it sends them', flaws: { stampsWhenSending: true }, fails: ['backfill.time'] },
  { name: 'loses what it samples while it is away', flaws: { losesWhenAway: true }, fails: ['backfill.complete'] },
  { name: 'hammers the platform', flaws: { hammers: true }, fails: ['reconnect.hammering', 'reconnect.backOff'] },
  { name: 'forgets what was not acknowledged', flaws: { forgetsUnacknowledged: true }, fails: ['resend.again'] },
  { name: 'publishes with QoS 0', flaws: { qos: 0 }, fails: ['publish.qos'] },
  { name: 'lets a counter fall', flaws: { countersFall: true }, fails: ['statistics.counters'] },
  { name: 'subscribes', flaws: { subscribes: true }, fails: ['subscribe.none'] },
  { name: 'clears a fault under another id', flaws: { changesIds: true }, fails: ['message.pair'] },
  { name: 'never says that the car moves', flaws: { teleports: true }, fails: ['change.motion'] },
]
