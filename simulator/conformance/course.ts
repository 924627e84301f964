/** The facts of a run put in order for judging: connections, publications, breaks. Pure. */
import type { LiftId, TerminalSerial } from '#contract/ids'
import { readDeviceTopic, type MessageKind } from '#contract/topics'
import { STRANGER_RETURN_CODE, type Fact, type FactOf, type PhaseName } from './facts.ts'
import { readPayload, type Reading } from './reading.ts'

/** What the terminal under test is meant to be. */
export type Subject = { readonly lift: LiftId; readonly terminal: TerminalSerial }

export type Publication = Reading & {
  readonly fact: FactOf<'publish'>
  readonly session: Session
  /** Place among all publications of the run. */
  readonly index: number
  readonly lift: LiftId | undefined
  readonly kind: MessageKind | undefined
  /** Said before with the same boot, seq and payload. */
  readonly isRepeat: boolean
}

/** One accepted CONNECT and what came after it on that connection. */
export type Session = {
  readonly number: number
  readonly connect: FactOf<'connect'>
  readonly publications: Publication[]
  /** Times at which anything was heard. */
  readonly heardAtMs: number[]
  closed: FactOf<'closed'> | undefined
}

/** A connection that the kit broke or an outage in which it let nobody in, and when the terminal was signed in again. */
export type Break = {
  readonly phase: PhaseName
  readonly atMs: number
  /** When connecting was possible again. */
  readonly openAtMs: number
  /** How long connecting was refused after that, before the terminal was back: time that is not the terminal's. */
  readonly refusedMs: number
  readonly returned: Session | undefined
}

export type Course = {
  readonly subject: Subject
  readonly facts: readonly Fact[]
  readonly sessions: readonly Session[]
  readonly publications: readonly Publication[]
  readonly breaks: readonly Break[]
  /** How far the terminal's clock is ahead of the kit's, ms; undefined when no time was heard. */
  readonly clockAheadMs: number | undefined
  /** When a restart was asked for; undefined when it was not. */
  readonly restartAtMs: number | undefined
  readonly endedAtMs: number
}

export function readCourse(facts: readonly Fact[], subject: Subject, endedAtMs: number): Course {
  const sessions = readSessions(facts)
  const publications = sessions.flatMap((session) => session.publications).sort((a, b) => a.index - b.index)
  return {
    subject,
    facts,
    sessions,
    publications,
    breaks: readBreaks(facts, sessions, endedAtMs),
    clockAheadMs: clockAhead(publications),
    restartAtMs: facts.find((fact) => fact.what === 'phase' && fact.phase === 'restart')?.atMs,
    endedAtMs,
  }
}

/** When the terminal said it, by the clock of the kit; undefined when it said no time. */
export const saidAt = (course: Course, { saidAtMs }: Publication): number | undefined =>
  saidAtMs === undefined ? undefined : saidAtMs - (course.clockAheadMs ?? 0)

/** Whether a publication was sampled after the connection stood. */
export const isLive = (course: Course, publication: Publication): boolean =>
  (saidAt(course, publication) ?? -Infinity) >= publication.session.connect.atMs

/** The birth message of a session: the first time it says `online`. */
export const birthOf = (session: Session): Publication | undefined =>
  session.publications.find(({ body, isRepeat }) => body?.kind === 'online' && !isRepeat)

/** The breaks in which connecting was refused for a while. */
export const outagesOf = ({ breaks }: Course): Break[] => breaks.filter(({ phase }) => phase === 'outage')

function readSessions(facts: readonly Fact[]): Session[] {
  const sessions = new Map<number, Session>()
  const known = new Set<string>()
  let index = 0
  for (const fact of facts) {
    if (fact.what === 'phase' || fact.what === 'attempt') continue
    if (fact.what === 'connect' && fact.returnCode === 0)
      sessions.set(fact.connection, {
        number: fact.connection,
        connect: fact,
        publications: [],
        heardAtMs: [],
        closed: undefined,
      })
    const session = sessions.get(fact.connection)
    if (session === undefined) continue
    if (fact.what === 'closed') session.closed ??= fact
    else session.heardAtMs.push(fact.atMs)
    if (fact.what === 'publish') {
      session.publications.push(publicationOf(fact, session, index, known))
      index += 1
    }
  }
  return [...sessions.values()]
}

function publicationOf(fact: FactOf<'publish'>, session: Session, index: number, known: Set<string>): Publication {
  const target = readDeviceTopic(fact.topic)
  const reading = readPayload(target?.kind, fact.payload)
  // Of a message without a number nobody can say whether it came before.
  const name =
    reading.seq === undefined ? undefined : `${reading.boot ?? ''} ${reading.seq} ${fact.payload.toString('latin1')}`
  const isRepeat = name !== undefined && known.has(name)
  if (name !== undefined) known.add(name)
  return { ...reading, fact, session, index, lift: target?.lift, kind: target?.kind, isRepeat }
}

/** The freshest messages were sampled the moment they came: how far they are ahead is how far the clock is. */
function clockAhead(publications: readonly Publication[]): number | undefined {
  let aheadMs: number | undefined
  for (const { fact, saidAtMs } of publications)
    if (saidAtMs !== undefined) aheadMs = Math.max(aheadMs ?? -Infinity, saidAtMs - fact.atMs)
  return aheadMs
}

/** The phases at whose end, or in which, the kit breaks the connection. */
const BREAKING: ReadonlySet<PhaseName> = new Set(['withhold', 'cut', 'outage'])

function readBreaks(facts: readonly Fact[], sessions: readonly Session[], endedAtMs: number): Break[] {
  const phases = facts.filter((fact) => fact.what === 'phase')
  const places = new Map(facts.map((fact, place) => [fact, place]))
  const placeOf = (fact: Fact): number => places.get(fact) ?? -1
  const cuts = sessions.flatMap(({ closed }) => (closed?.by === 'kit' ? [closed] : []))
  const spans = phases.map((phase, index) => ({ phase, untilMs: phases[index + 1]?.atMs ?? endedAtMs }))
  const outage = spans.find(({ phase }) => phase.phase === 'outage')
  return spans.flatMap(({ phase, untilMs }): Break[] => {
    if (!BREAKING.has(phase.phase)) return []
    const cut = cuts.find(({ atMs }) => atMs >= phase.atMs && atMs <= untilMs)
    const isOutage = phase.phase === 'outage'
    // An outage that begins while the terminal is away is one as well: it tries, and keeps what it samples.
    const begun = cut ?? (isOutage ? phase : undefined)
    if (begun === undefined) return []
    const returned = sessions.find(({ connect }) => placeOf(connect) > placeOf(begun))
    const backAtMs = returned?.connect.atMs ?? endedAtMs
    const openAtMs = isOutage ? untilMs : begun.atMs
    const refusedMs =
      isOutage || outage === undefined || outage.phase.atMs < openAtMs
        ? 0
        : Math.max(0, Math.min(backAtMs, outage.untilMs) - outage.phase.atMs)
    return [{ phase: phase.phase, atMs: begun.atMs, openAtMs, refusedMs, returned }]
  })
}

/** Whether a CONNECT was of the terminal that is tested. */
export const isOwn = (fact: FactOf<'connect'>): boolean => fact.returnCode !== STRANGER_RETURN_CODE

/** Connections from where the terminal connects; somebody else who finds the port is not the terminal. */
export function ownAttemptsOf({ facts }: Course): FactOf<'attempt'>[] {
  const attempts = facts.filter((fact) => fact.what === 'attempt')
  const addressOf = new Map(attempts.map(({ connection, address }) => [connection, address]))
  const own = new Set(
    facts.flatMap((fact) => (fact.what === 'connect' && isOwn(fact) ? [addressOf.get(fact.connection)] : [])),
  )
  return attempts.filter(({ address }) => own.has(address))
}

/**
 * Until when a session says something about the terminal. One that stood when the restart was asked for may have ended
 * unheard: a terminal without power closes nothing.
 */
export function endOf({ restartAtMs, endedAtMs }: Course, session: Session): number {
  const endMs = session.closed?.atMs ?? endedAtMs
  if (restartAtMs === undefined || session.connect.atMs > restartAtMs || session.closed?.by === 'terminal') return endMs
  return Math.min(endMs, Math.max(restartAtMs, session.heardAtMs.at(-1) ?? 0))
}
