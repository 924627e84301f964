/** What was said of one kind, each thing once, with its time by the clock of the kit. */
import type { Message, Statistics, Status } from '#contract/telemetry'
import { saidAt, type Course, type Publication } from './course.ts'

/** The longest interval between two statuses of an idle lift, and how late a terminal may be. */
export const IDLE_MS = 60_000
export const IDLE_LATE_MS = 6000

export type Said<Body> = Publication & { readonly value: Body; readonly atMs: number }

const said = <Body>(course: Course, read: (publication: Publication) => Body | undefined): Said<Body>[] =>
  course.publications.flatMap((publication) => {
    const value = read(publication)
    const atMs = saidAt(course, publication)
    return value === undefined || atMs === undefined || publication.isRepeat ? [] : [{ ...publication, value, atMs }]
  })

/** Statuses, each once, in the order in which they were heard. */
export const statuses = (course: Course): Said<Status>[] =>
  said(course, ({ body }) => (body?.kind === 'status' ? body.value : undefined))
export const messages = (course: Course): Said<Message>[] =>
  said(course, ({ body }) => (body?.kind === 'message' ? body.value : undefined))
/** In the order of their times: one that comes late is no counter that fell. */
export const statistics = (course: Course): Said<Statistics>[] =>
  said(course, ({ body }) => (body?.kind === 'statistics' ? body.value : undefined)).sort((a, b) => a.atMs - b.atMs)

/** Everything that was said as a status, readable or not, in the order of its times. */
export const sampledStatuses = (course: Course) =>
  said(course, ({ kind }) => (kind === 'status' ? kind : undefined)).sort((a, b) => a.atMs - b.atMs)
