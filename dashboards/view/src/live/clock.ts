/** The clock of the server, as well as this browser can know it, and a tick a second. */
import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

export type ServerClock = {
  /** Server time in Unix ms, renewed when the second changes. */
  readonly nowMs: Readonly<ShallowRef<number>>
  /** Server time at this very moment. */
  readNowMs(): number
  /** The server said that its clock shows `serverMs`. */
  noteServerTime(serverMs: number): void
}

export function useServerClock(): ServerClock {
  let offsetMs = 0
  const readNowMs = () => Date.now() + offsetMs
  const nowMs = shallowRef(readNowMs())
  const timer = setInterval(() => {
    const next = readNowMs()
    if (Math.floor(next / 1000) !== Math.floor(nowMs.value / 1000)) nowMs.value = next
  }, 200)
  onScopeDispose(() => clearInterval(timer))
  return {
    nowMs,
    readNowMs,
    noteServerTime(serverMs) {
      offsetMs = serverMs - Date.now()
    },
  }
}
