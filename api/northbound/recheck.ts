/** People who were removed, or given another password, role or organisation, are cut: they come back and are judged anew. */
import type { Register } from '#storage/register/register'
import type { Subscriber } from './subscriber.ts'

/** Starts the rounds; the returned function ends them and waits for the one under way. */
export function startRecheck(o: {
  subscribers: () => Iterable<Subscriber>
  register: Pick<Register, 'users'>
  everyMs: number
  /** The person is another one than signed in. */
  onChanged: (subscriber: Subscriber) => void
}): () => Promise<void> {
  const look = async (): Promise<void> => {
    const byName = new Map<string, Subscriber[]>()
    for (const subscriber of o.subscribers()) {
      const name = subscriber.person?.user.username
      if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), subscriber])
    }
    for (const [name, subscribers] of byName) {
      const row = await o.register.users.byUsername(name)
      for (const subscriber of subscribers) {
        const { person } = subscriber
        const isSame =
          person !== undefined &&
          row?.id === person.user.id &&
          row.role === person.user.role &&
          row.organisation === person.user.organisation &&
          row.passwordHash === person.passwordHash
        if (!isSame) o.onChanged(subscriber)
      }
    }
  }
  let running: Promise<void> | undefined
  const timer = setInterval(() => {
    // While the register is away, what was true stays true until it says otherwise; the health of the API tells it.
    running ??= look()
      .catch(() => {})
      .finally(() => (running = undefined))
  }, o.everyMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
