/**
 * The live view (实时): namespace `/live` of Socket.IO. A viewer says `hello` and gets a snapshot, or the deltas it missed;
 * then numbered deltas, alarms and the health of the platform. What a viewer may see is decided here from its session.
 */
import type { Server as HttpServer } from 'node:http'
import { Counter, Gauge, type Registry } from 'prom-client'
import { Server, type Namespace, type Socket } from 'socket.io'
import { Compile } from 'typebox/compile'
import type { Alarm, Occurrence } from '#contract/alarms'
import type { LiftId, OrganisationId } from '#contract/ids'
import {
  DELTAS_PER_SECOND_MAX,
  LiveHello,
  type LiveDelta,
  type LiveSnapshot,
  type PlatformHealth,
} from '#contract/live'
import type { Log } from '#contract/log-events'
import { inScope, scopeOf, type LiftScope } from '#contract/register'
import { toWire, type Wire } from '#contract/wire'
import type { Bus } from '#storage/bus/bus'
import type { Fleet } from './fleet.ts'
import type { Health } from './health.ts'
import { closeAfterAnswer, LiveDoor, type LiveConnection, type LiveDoorLimits } from './live-door.ts'
import { LiveFeed, LiveFeedNumbers } from './live-feed.ts'
import type { LiveStates } from './live-states.ts'
import type { SessionCookie } from './session-cookie.ts'
import type { Sessions, SignedIn } from './sessions.ts'

/** What the server says. A viewer that gets a snapshot reads the alarm list again: it may have missed alarms too. */
type LiveEvents = {
  snapshot: (snapshot: LiveSnapshot) => void
  delta: (delta: LiveDelta) => void
  alarm: (change: { alarm: Wire<Alarm>; occurrence: Wire<Occurrence> }) => void
  health: (health: PlatformHealth) => void
}
/** What a viewer says. */
type ViewerEvents = { hello: (hello?: unknown) => void }
type SocketFacts = { signedIn: SignedIn }
type ViewerSocket = Socket<ViewerEvents, LiveEvents, Record<string, never>, SocketFacts>
type LiveNamespace = Namespace<ViewerEvents, LiveEvents, Record<string, never>, SocketFacts>

export type LiveLimits = LiveDoorLimits & {
  /** A viewer with more packets or bytes than these waiting gets no deltas until they are gone. */
  readonly waitingPacketsMax: number
  readonly waitingBytesMax: number
  /** How often the session of each viewer is looked at again, ms. */
  readonly sessionCheckMs: number
  /** How long a feed without viewers is kept for those that come back, ms. */
  readonly feedIdleMsMax: number
}
const LIVE_LIMITS: LiveLimits = {
  viewersMax: 2_000,
  strangersMax: 200,
  strangersPerAddressMax: 20,
  waitingPacketsMax: 8,
  waitingBytesMax: 1024 * 1024,
  sessionCheckMs: 30_000,
  feedIdleMsMax: 120_000,
}
/** A `hello` more often than this is not answered, ms. */
const HELLO_PERIOD_MS_MIN = 1_000 / DELTAS_PER_SECOND_MAX

type Viewer = {
  readonly socket: ViewerSocket
  readonly feed: ScopeFeed
  sentSeq: number | undefined
  behind: boolean
  helloAtMs: number
}
type ScopeFeed = {
  readonly room: string
  readonly scope: LiftScope
  readonly deltas: LiveFeed
  readonly viewers: Set<Viewer>
  idleSinceMs: number | undefined
}
type Metrics = { viewers: Gauge; deltas: Counter; skipped: Counter }

export interface Live extends AsyncDisposable {
  /** Everyone gets a snapshot: something may have been lost on the way here. */
  startOver(): void
}

export type LiveOptions = {
  readonly server: HttpServer
  readonly bus: Bus
  readonly fleet: Fleet
  readonly liveStates: LiveStates
  readonly sessions: Sessions
  readonly cookie: SessionCookie
  readonly health: Health
  readonly publicOrigin: string
  readonly metrics: Registry
  readonly log: Log
  readonly nowMs: () => number
  readonly limits?: Partial<LiveLimits>
}

export async function startLive(o: LiveOptions): Promise<Live> {
  const limits = { ...LIVE_LIMITS, ...o.limits }
  const door = new LiveDoor(o, limits)
  const io = new Server<ViewerEvents, LiveEvents, Record<string, never>, SocketFacts>(o.server, {
    path: '/socket.io/',
    serveClient: false,
    destroyUpgrade: false,
    perMessageDeflate: false,
    maxHttpBufferSize: 64 * 1024,
    connectTimeout: 5_000,
    pingInterval: 20_000,
    pingTimeout: 15_000,
    allowRequest: (request, answer) => {
      const refused = door.refusalOf(request, io.engine.clientsCount)
      answer(refused ?? null, refused === undefined)
    },
  })
  io.engine.on('connection', (connection: LiveConnection) => door.opened(connection))
  // Nobody has business in the main namespace; whoever joined it would be a stranger for ever.
  io.use((socket, next) => {
    next(new Error('notFound'))
    closeAfterAnswer(socket.conn)
  })
  const namespace: LiveNamespace = io.of('/live')
  namespace.use((socket, next) => void authenticate(socket, door, next))
  const desk = new LiveDesk(o, limits, namespace)
  namespace.on('connection', (socket) => {
    if (door.letIn(socket.conn, socket.data.signedIn)) desk.join(socket)
    else socket.disconnect(true)
  })

  const alarms = await o.bus.subscribe('alarm', ({ alarm, occurrence }) => desk.tellAlarm(alarm, occurrence))
  o.liveStates.onChanged((lift) => desk.mark(lift))
  o.fleet.onMoved((contractors) => desk.moved(contractors))
  o.health.onChanged((health) => namespace.emit('health', health))
  o.sessions.onClosed((tokenHash) => {
    door.sessionClosed(tokenHash)
    desk.cut(({ signedIn }) => signedIn.tokenHash === tokenHash)
  })
  const flushTimer = setInterval(() => desk.flush(), 1_000 / DELTAS_PER_SECOND_MAX)
  let checking: Promise<void> | undefined
  const sessionTimer = setInterval(() => {
    checking ??= desk.checkSessions().finally(() => (checking = undefined))
  }, limits.sessionCheckMs)
  return {
    startOver: () => desk.startOver(),
    async [Symbol.asyncDispose]() {
      clearInterval(flushTimer)
      clearInterval(sessionTimer)
      await alarms[Symbol.asyncDispose]()
      namespace.disconnectSockets(true)
      io.engine.close()
      await checking
    },
  }
}

/** One attempt: whoever is refused needs a new connection, which the door may refuse. */
async function authenticate(socket: ViewerSocket, door: LiveDoor, next: (error?: Error) => void): Promise<void> {
  try {
    socket.data.signedIn = await door.authenticate(socket.conn, socket.handshake.headers.cookie)
    next()
  } catch (error) {
    next(error as Error)
    closeAfterAnswer(socket.conn)
  }
}

/** Who views what, and how far each of them is. */
class LiveDesk {
  readonly #o: LiveOptions
  readonly #limits: LiveLimits
  readonly #namespace: LiveNamespace
  readonly #metrics: Metrics
  readonly #numbers = new LiveFeedNumbers()
  readonly #feeds = new Map<string, ScopeFeed>()
  readonly #viewers = new Map<ViewerSocket, Viewer>()

  constructor(o: LiveOptions, limits: LiveLimits, namespace: LiveNamespace) {
    this.#o = o
    this.#limits = limits
    this.#namespace = namespace
    const registers = [o.metrics]
    this.#metrics = {
      viewers: new Gauge({ name: 'tiwang_live_viewers', help: 'Sockets of the live view', registers }),
      deltas: new Counter({
        name: 'tiwang_live_deltas_total',
        help: 'Deltas made, one for each scope with changes',
        registers,
      }),
      skipped: new Counter({
        name: 'tiwang_live_skipped_total',
        help: 'Deltas not sent to a viewer that was too slow',
        registers,
      }),
    }
  }

  join(socket: ViewerSocket): void {
    const { signedIn } = socket.data
    const feed = this.#feedOf(signedIn.scope)
    const viewer: Viewer = { socket, feed, sentSeq: undefined, behind: false, helloAtMs: -Infinity }
    feed.viewers.add(viewer)
    this.#viewers.set(socket, viewer)
    this.#metrics.viewers.set(this.#viewers.size)
    this.#o.log.info('live.joined', { user: signedIn.user.id, viewers: this.#viewers.size })
    // Alarms do not wait for `hello`, and are told to a slow viewer too.
    void socket.join(alarmRoom(feed.room))
    socket.emit('health', this.#o.health.now())
    socket.on('hello', (hello) => this.#hello(viewer, hello))
    socket.on('disconnect', () => {
      feed.viewers.delete(viewer)
      this.#viewers.delete(socket)
      this.#metrics.viewers.set(this.#viewers.size)
      this.#o.log.info('live.left', { user: signedIn.user.id, viewers: this.#viewers.size })
      // A connection without its socket could only hold a place.
      closeAfterAnswer(socket.conn)
    })
  }

  mark(lift: LiftId): void {
    const known = this.#o.fleet.lifts.get(lift)
    if (known === undefined) return
    for (const { scope, deltas } of this.#feeds.values()) if (inScope(scope, known.contractor)) deltas.mark(lift)
  }

  tellAlarm(alarm: Alarm, occurrence: Occurrence): void {
    const rooms = [...this.#feeds.values()]
      .filter(({ scope }) => inScope(scope, alarm.contractor))
      .map(({ room }) => alarmRoom(room))
    if (rooms.length > 0)
      this.#namespace.to(rooms).emit('alarm', { alarm: toWire(alarm), occurrence: toWire(occurrence) })
  }

  /** One delta for each scope with changes, encoded once for all its viewers that keep up. */
  flush(): void {
    const atMs = this.#o.nowMs()
    for (const [room, feed] of this.#feeds) {
      this.#watchPace(feed)
      const delta = feed.deltas.next((lift) => this.#o.liveStates.of(lift), atMs)
      if (delta !== undefined) this.#send(feed, delta)
      if (feed.viewers.size > 0) feed.idleSinceMs = undefined
      else if (feed.idleSinceMs === undefined) feed.idleSinceMs = atMs
      else if (atMs - feed.idleSinceMs > this.#limits.feedIdleMsMax) this.#feeds.delete(room)
    }
  }

  moved(contractors: ReadonlySet<OrganisationId | null>): void {
    for (const feed of this.#feeds.values())
      if ([...contractors].some((contractor) => inScope(feed.scope, contractor))) this.#startFeedOver(feed)
  }

  startOver(): void {
    for (const feed of this.#feeds.values()) this.#startFeedOver(feed)
  }

  cut(which: (facts: SocketFacts) => boolean): void {
    for (const socket of this.#viewers.keys()) if (which(socket.data)) socket.disconnect(true)
  }

  /** A viewer whose session is over, or whose person may now see something else, is cut; it signs in or connects again. */
  async checkSessions(): Promise<void> {
    const sessions = new Map(
      [...this.#viewers.keys()].map((socket) => [socket.data.signedIn.tokenHash, socket.data.signedIn]),
    )
    for (const [tokenHash, signedIn] of sessions) {
      try {
        const user = await this.#o.sessions.stillOpen(signedIn)
        const same = user !== undefined && JSON.stringify(scopeOf(user)) === JSON.stringify(signedIn.scope)
        if (!same) this.cut((facts) => facts.signedIn.tokenHash === tokenHash)
      } catch (error) {
        // A register that is away must not darken the wall; what the session itself says is still known.
        if (signedIn.expiresAtMs <= this.#o.nowMs()) this.cut((facts) => facts.signedIn.tokenHash === tokenHash)
        this.#o.log.warn('api.error', { route: '/live', reason: String(error).slice(0, 300) })
      }
    }
  }

  #feedOf(scope: LiftScope): ScopeFeed {
    const room = 'all' in scope ? 'all' : `contractor:${scope.contractor}`
    const known = this.#feeds.get(room)
    if (known !== undefined) return known
    const deltas = new LiveFeed(this.#numbers.next(this.#o.nowMs()))
    const feed: ScopeFeed = { room, scope, deltas, viewers: new Set(), idleSinceMs: undefined }
    this.#feeds.set(room, feed)
    return feed
  }

  #hello(viewer: Viewer, hello: unknown): void {
    const atMs = this.#o.nowMs()
    // A viewer that is behind is brought up to date anyway, when what it has waiting is gone.
    if (viewer.behind || Math.abs(atMs - viewer.helloAtMs) < HELLO_PERIOD_MS_MIN) return
    viewer.helloAtMs = atMs
    const asked = hello ?? {}
    viewer.sentSeq = isHello.Check(asked) ? asked.since : undefined
    this.#catchUp(viewer)
  }

  /** Brings a viewer to the newest delta and lets it follow. In this order no change overtakes the baseline. */
  #catchUp(viewer: Viewer): void {
    const { socket, feed } = viewer
    const missed = viewer.sentSeq === undefined ? undefined : feed.deltas.after(viewer.sentSeq)
    const missedRows = missed?.reduce((sum, { rows }) => sum + rows.length, 0) ?? Infinity
    if (missed !== undefined && missedRows <= this.#o.fleet.lifts.size)
      for (const delta of missed) socket.emit('delta', delta)
    else socket.emit('snapshot', this.#snapshotOf(feed))
    viewer.sentSeq = feed.deltas.seq
    viewer.behind = false
    void socket.join(feed.room)
  }

  #snapshotOf(feed: ScopeFeed): LiveSnapshot {
    return {
      seq: feed.deltas.seq,
      t: this.#o.nowMs(),
      rows: this.#o.liveStates.rows(feed.scope),
      health: this.#o.health.now(),
    }
  }

  #send(feed: ScopeFeed, delta: LiveDelta): void {
    this.#metrics.deltas.inc()
    this.#namespace.to(feed.room).emit('delta', delta)
    for (const viewer of feed.viewers) {
      if (viewer.behind) this.#metrics.skipped.inc()
      else if (viewer.sentSeq !== undefined) viewer.sentSeq = delta.seq
    }
  }

  /** Takes viewers that are too slow out of the room, and back in when what they had waiting is gone. */
  #watchPace(feed: ScopeFeed): void {
    for (const viewer of feed.viewers) {
      if (viewer.sentSeq === undefined) continue
      const { packets, bytes } = waitingOn(viewer.socket)
      if (viewer.behind) {
        if (packets === 0 && bytes === 0) this.#catchUp(viewer)
      } else if (packets > this.#limits.waitingPacketsMax || bytes > this.#limits.waitingBytesMax) {
        viewer.behind = true
        void viewer.socket.leave(feed.room)
      }
    }
  }

  #startFeedOver(feed: ScopeFeed): void {
    feed.deltas.forget()
    for (const viewer of feed.viewers) if (viewer.sentSeq !== undefined && !viewer.behind) this.#catchUp(viewer)
  }
}

const isHello = Compile(LiveHello)
const alarmRoom = (room: string) => `alarms:${room}`

/** What is written but has not left this machine. The fields are Engine.IO's own; without them nobody counts as slow. */
function waitingOn(socket: ViewerSocket): { packets: number; bytes: number } {
  const engine = socket.conn as unknown as {
    writeBuffer?: unknown[]
    transport?: { socket?: { bufferedAmount?: unknown } }
  }
  const bytes = engine.transport?.socket?.bufferedAmount
  return { packets: engine.writeBuffer?.length ?? 0, bytes: typeof bytes === 'number' ? bytes : 0 }
}
