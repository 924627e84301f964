/**
 * A throw or a rejected promise inside an Aedes hook ends the process, and a hook that replies twice breaks the order of
 * acknowledgements. Every hook therefore runs inside this wrapper.
 */

type Reply<Values extends unknown[]> = (...values: Values) => void

/**
 * The hook, made total: it never throws, never rejects, and replies at most once. When it fails before it has replied,
 * `onFault` gives the reply; a failure after the reply is only reported to `onFault`, whose answer is then dropped.
 */
export function totalHook<Given extends unknown[], Values extends unknown[]>(
  hook: (...given: [...Given, Reply<Values>]) => void | Promise<void>,
  onFault: (fault: unknown, ...given: Given) => Values,
): (...given: [...Given, Reply<Values>]) => void {
  return (...all) => {
    // TypeScript cannot split a variadic tuple by itself; the last value is the reply by this function's own signature.
    const given = all.slice(0, -1) as unknown as Given
    const reply = all[all.length - 1] as Reply<Values>
    let replied = false
    const fail = (fault: unknown): void => {
      try {
        const values = onFault(fault, ...given)
        if (replied) return
        replied = true
        reply(...values)
      } catch {
        // Nothing is left that could be done here, and ending the process would cut every other device.
      }
    }
    const replyOnce = (...values: Values): void => {
      if (replied) return
      replied = true
      try {
        reply(...values)
      } catch (fault) {
        fail(fault)
      }
    }
    try {
      const running = hook(...given, replyOnce)
      if (running instanceof Promise) running.catch(fail)
    } catch (fault) {
      fail(fault)
    }
  }
}

/** A listener that never throws into the emitter. */
export function totalListener<Given extends unknown[]>(
  listener: (...given: Given) => void,
  onFault: (fault: unknown) => void,
): (...given: Given) => void {
  return (...given) => {
    try {
      listener(...given)
    } catch (fault) {
      try {
        onFault(fault)
      } catch {
        // As above.
      }
    }
  }
}
