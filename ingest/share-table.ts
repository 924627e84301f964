/** Who works which share: the rules by which ingest workers divide the shares among themselves. Pure. */
import type { ShareTable } from '#contract/shares'

/**
 * How many shares a worker may hold: as many as the others, the first by name one more when it does not come out even. Every
 * worker reckons the same from the same table, so nobody gives away what it would have to take back.
 */
export function quotaOf(workers: readonly string[], me: string, shareCount: number): number {
  const index = [...workers].sort().indexOf(me)
  if (index < 0) return 0
  return Math.floor(shareCount / workers.length) + (index < shareCount % workers.length ? 1 : 0)
}

export type Beat = {
  readonly me: string
  readonly shareCount: number
  /** Workers that are not heard any more, each with the beat after which it fell silent. */
  readonly silent: ReadonlyMap<string, number>
  /** Shares whose work has been ended here: anybody may have them. */
  readonly given: ReadonlySet<number>
  /** Gives up its place in the table: it goes, or cannot work. */
  readonly isLeaving: boolean
  /** Takes nothing, but keeps what it works. */
  readonly isResting?: boolean
}

/**
 * The table after a beat of `me`: silent workers are struck off, and so is `me` when it leaves; what nobody holds any more is
 * free; of what is free, `me` takes up to its quota.
 */
export function nextTable(
  table: ShareTable,
  { me, shareCount, silent, given, isLeaving, isResting }: Beat,
): ShareTable {
  const others = table.workers.filter(({ worker, beat }) => worker !== me && silent.get(worker) !== beat)
  const beat = table.workers.find(({ worker }) => worker === me)?.beat ?? 0
  const workers = isLeaving ? others : [...others, { worker: me, beat: beat + 1 }]
  const names = workers.map(({ worker }) => worker)
  const known = new Map(table.shares.map((row) => [row.share, row]))
  const freed = Array.from({ length: shareCount }, (_, share) => {
    const row = known.get(share) ?? { share, worker: null, epoch: 0 }
    const isKept = row.worker !== null && names.includes(row.worker) && !(row.worker === me && given.has(share))
    return isKept || row.worker === null ? row : { share, worker: null, epoch: row.epoch + 1 }
  })
  let room = quotaOf(names, me, shareCount) - freed.filter(({ worker }) => worker === me).length
  const shares = freed.map((row) => {
    if (row.worker !== null || room <= 0 || isResting === true) return row
    room -= 1
    return { share: row.share, worker: me, epoch: row.epoch + 1 }
  })
  return { workers, shares }
}

/** Shares that `me` holds beyond its quota: others wait for them. */
export function surplusOf(table: ShareTable, me: string, shareCount: number): number[] {
  const held = table.shares.filter(({ worker }) => worker === me).map(({ share }) => share)
  const names = table.workers.map(({ worker }) => worker)
  return held.slice(quotaOf(names, me, shareCount))
}

/** Hears by the beats which workers live. Time in which this worker heard nothing itself is not their silence. */
export class Silence {
  readonly #me: string
  readonly #silentMsMax: number
  readonly #stepMsMax: number
  readonly #heard = new Map<string, { beat: number; silentMs: number }>()
  #listenedAtMs: number | undefined

  /** A step longer than `stepMsMax` between two looks at the table counts as that much only. */
  constructor(o: { me: string; silentMsMax: number; stepMsMax: number }) {
    this.#me = o.me
    this.#silentMsMax = o.silentMsMax
    this.#stepMsMax = o.stepMsMax
  }

  /** Takes a table that was read at `atMs` (monotonic clock). */
  hear({ workers }: ShareTable, atMs: number): void {
    const stepMs = Math.min(this.#stepMsMax, atMs - (this.#listenedAtMs ?? atMs))
    this.#listenedAtMs = atMs
    const names = new Set(workers.map(({ worker }) => worker))
    for (const worker of this.#heard.keys()) if (!names.has(worker)) this.#heard.delete(worker)
    for (const { worker, beat } of workers) {
      const known = this.#heard.get(worker)
      const silentMs = known?.beat === beat ? known.silentMs + stepMs : 0
      if (worker !== this.#me) this.#heard.set(worker, { beat, silentMs })
    }
  }

  /** Who has been silent for too long, and its last beat: whoever has another beat by now is alive. */
  silent(): Map<string, number> {
    const silent = [...this.#heard].filter(([, { silentMs }]) => silentMs >= this.#silentMsMax)
    return new Map(silent.map(([worker, { beat }]) => [worker, beat]))
  }
}
