/** Tells a subscriber the open alarms that match what it asked for just now: one that was away misses nothing still open. */
import type { AppliedAlarm, Register } from '#storage/register/register'
import type { AlarmMessage } from './alarm-messages.ts'
import type { Subscriber } from './subscriber.ts'

export type OpenAlarms = {
  /**
   * Begins to tell the open alarms that match the new filters of the subscriber, oldest raise first; changes wait behind
   * them. Asked again meanwhile, it begins once more afterwards. Never rejects: a subscriber that cannot be told is cut.
   */
  tell(subscriber: Subscriber): void
  /** Resolves when nobody is being told. */
  settled(): Promise<void>
}

/** Reads through one queue for all subscribers; `onFailed` has to cut the one that could not be told. */
export function openOpenAlarms(o: {
  register: Pick<Register, 'alarms'>
  messageOf: (applied: AppliedAlarm) => Promise<AlarmMessage>
  openAlarmsMax: number
  onFailed: (subscriber: Subscriber, error: unknown) => void
}): OpenAlarms {
  const { register, messageOf, openAlarmsMax, onFailed } = o
  const running = new Set<Promise<void>>()
  // One question at a time: hundreds of subscribers that come back together must not hold up those who look at a wall.
  let lastQuestion: Promise<unknown> = Promise.resolve()

  const read = async ({ scope, conn }: Subscriber): Promise<AppliedAlarm[]> => {
    if (scope === undefined || conn.destroyed) return []
    return register.alarms.open({ scope, limit: openAlarmsMax })
  }

  const tellOpen = async (subscriber: Subscriber): Promise<void> => {
    const filters = [...subscriber.newFilters]
    subscriber.newFilters.clear()
    const question = lastQuestion.then(() => read(subscriber))
    lastQuestion = question.catch(() => {})
    for (const applied of await question) {
      const message = await messageOf(applied)
      if (subscriber.qosOf(message.topic, filters) === undefined) continue
      await subscriber.room()
      subscriber.send(message)
    }
  }

  const run = async (subscriber: Subscriber): Promise<void> => {
    const waiting: AlarmMessage[] = []
    subscriber.waiting = waiting
    try {
      while (!subscriber.conn.destroyed) {
        if (subscriber.newFilters.size > 0) {
          await tellOpen(subscriber)
          continue
        }
        const next = waiting.shift()
        if (next === undefined) break // and in the same turn, so that no change is left behind in the queue
        await subscriber.room()
        subscriber.send(next)
      }
    } catch (error) {
      onFailed(subscriber, error)
    }
    subscriber.waiting = undefined
  }

  return {
    tell(subscriber) {
      if (subscriber.waiting !== undefined || subscriber.newFilters.size === 0) return
      const task = run(subscriber).finally(() => running.delete(task))
      running.add(task)
    },
    async settled() {
      await Promise.all(running)
    },
  }
}
