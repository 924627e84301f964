/** A reading that is repeated for as long as somebody watches: never two at once, and never none to come. */

/**
 * `read` settles in bounded time and keeps its failures to itself; `periodMs` is asked after each reading, in ms. `rearm` is
 * for whoever knows that the period has changed while a reading is waited for.
 */
export function repeatedRead(o: { readonly read: () => Promise<void>; readonly periodMs: () => number }) {
  let isReading = false
  let isAgainWanted = false
  let isStopped = false
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Whoever asks during a reading has it read once more: what began before the question may not hold the answer. */
  function readNow(): void {
    if (isStopped) return
    if (isReading) {
      isAgainWanted = true
      return
    }
    clearTimeout(timer)
    isReading = true
    isAgainWanted = false
    void o.read().finally(() => {
      isReading = false
      if (isAgainWanted) readNow()
      else rearm()
    })
  }

  function rearm(): void {
    if (isStopped || isReading) return
    clearTimeout(timer)
    timer = setTimeout(readNow, o.periodMs())
  }

  function stop(): void {
    isStopped = true
    clearTimeout(timer)
  }
  return { readNow, rearm, stop }
}
