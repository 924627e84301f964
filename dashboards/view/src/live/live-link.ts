/** Owns the socket: says hello, merges what comes, and tells how long the link has been away. */
import { io } from 'socket.io-client'
import { onScopeDispose, shallowRef, triggerRef } from 'vue'
import type { Alarm, Occurrence } from '#contract/alarms'
import type { LiftId } from '#contract/ids'
import type { LiveDelta, LiveSnapshot, LiveState, PlatformHealth } from '#contract/live'
import type { Wire } from '#contract/wire'
import { readSession } from '../session/session.ts'
import type { ServerClock } from './clock.ts'
import { emptyFleet, helloOf, takeDelta, takeSnapshot } from './fleet.ts'

/** A snapshot that was asked for and does not come within this is asked for again. */
const SNAPSHOT_MS_MAX = 3_000
/** Between two tries after the server refused the connection. */
const REFUSED_RETRY_MS = 5_000

export type LinkState = 'connecting' | 'live' | 'away'
export type AlarmEventOnWire = { readonly alarm: Wire<Alarm>; readonly occurrence: Wire<Occurrence> }

export function useLiveLink(
  clock: ServerClock,
  on: { alarm: (event: AlarmEventOnWire) => void; live: () => void; sessionEnd: () => void },
) {
  const memory = emptyFleet()
  const states = shallowRef<ReadonlyMap<LiftId, LiveState>>(memory.states)
  const link = shallowRef<LinkState>('connecting')
  const awaySinceMs = shallowRef<number>()
  const lastHeardMs = shallowRef<number>()
  const health = shallowRef<PlatformHealth>()
  /** Before the first snapshot nothing is known about any lift. */
  const isSnapshotTaken = shallowRef(false)
  let frame: number | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let snapshotTimer: ReturnType<typeof setTimeout> | undefined

  const socket = io('/live', {
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 5_000,
    timeout: 10_000,
  })

  /** However many rows come, the screen is told once a frame. */
  const tell = () => {
    frame ??= requestAnimationFrame(() => {
      frame = undefined
      triggerRef(states)
    })
  }
  const heard = (serverMs?: number) => {
    if (serverMs !== undefined) clock.noteServerTime(serverMs)
    lastHeardMs.value = clock.readNowMs()
  }
  const sayHello = () => {
    socket.emit('hello', helloOf(memory))
    clearTimeout(snapshotTimer)
    if (memory.isSnapshotWanted) snapshotTimer = setTimeout(() => socket.connected && sayHello(), SNAPSHOT_MS_MAX)
  }
  const goAway = () => {
    if (link.value === 'away') return
    link.value = 'away'
    awaySinceMs.value = Date.now()
  }
  const comeBack = () => {
    if (link.value === 'live') return
    link.value = 'live'
    awaySinceMs.value = undefined
    on.live()
  }

  socket.on('connect', () => {
    sayHello()
    // With everything up to date the server has nothing to answer: being connected is enough.
    if (!memory.isSnapshotWanted) comeBack()
  })
  socket.on('snapshot', (snapshot: LiveSnapshot) => {
    clearTimeout(snapshotTimer)
    takeSnapshot(memory, snapshot)
    isSnapshotTaken.value = true
    health.value = snapshot.health
    heard(snapshot.t)
    // Whoever needs a snapshot may have missed alarms too, or may see other lifts than before.
    if (link.value === 'live') on.live()
    comeBack()
    tell()
  })
  socket.on('delta', (delta: LiveDelta) => {
    heard(delta.t)
    const result = takeDelta(memory, delta)
    if (result === 'gap') sayHello()
    else if (result === 'applied') tell()
  })
  socket.on('alarm', (event: AlarmEventOnWire) => {
    heard()
    on.alarm(event)
  })
  socket.on('health', (next: PlatformHealth) => {
    heard()
    health.value = next
  })
  socket.on('disconnect', (reason) => {
    goAway()
    // The server closed it on purpose: the session may be over, so ask before trying again.
    if (reason === 'io server disconnect') void askThenReconnect()
  })
  socket.on('connect_error', () => {
    goAway()
    if (!socket.active) void askThenReconnect()
  })

  const askThenReconnect = async () => {
    clearTimeout(retry)
    const session = await readSession().catch(() => 'unknown' as const)
    if (session === undefined) return on.sessionEnd()
    retry = setTimeout(() => socket.connect(), REFUSED_RETRY_MS)
  }
  /** Tries at once, without waiting for the next turn. */
  const reconnect = () => {
    clearTimeout(retry)
    if (!socket.connected) socket.disconnect().connect()
  }
  // A machine that lost its network knows it long before the next missed ping.
  const goOffline = () => {
    if (socket.connected) socket.io.engine.close()
  }
  window.addEventListener('online', reconnect)
  window.addEventListener('offline', goOffline)

  onScopeDispose(() => {
    window.removeEventListener('online', reconnect)
    window.removeEventListener('offline', goOffline)
    clearTimeout(retry)
    clearTimeout(snapshotTimer)
    if (frame !== undefined) cancelAnimationFrame(frame)
    socket.removeAllListeners()
    socket.disconnect()
  })
  return { states, link, awaySinceMs, lastHeardMs, health, isSnapshotTaken, reconnect }
}
