/** What a copy is given to work with, and how it says that it cannot go on. */
import type { Asked } from './copy-days.ts'
import type { TelemetryStore } from './points.ts'
import type { Patience } from './patience.ts'

export type CopyPhase = 'counting' | 'copying' | 'comparing' | 'figures'
export type CopyProgress = {
  readonly phase: CopyPhase
  readonly day: string
  /** Rows of this phase that are done, and all that there are; of counting and figures both are what was found so far. */
  readonly doneCount: number
  readonly totalCount: number
}
export type CopyOptions = {
  readonly source: TelemetryStore
  readonly target: TelemetryStore
  /** What is older is not looked at. */
  readonly fromMs: number
  /** Samples and figures that are older are not kept by the target: they are counted and left out. */
  readonly samplesKeptFromMs: number
  readonly figuresKeptFromMs: number
  /** Only compares. */
  readonly verifyOnly: boolean
  readonly patience: Patience
  readonly onProgress: (progress: CopyProgress) => void
}
export type CopyJob = CopyOptions & { readonly asked: Asked }

/** The target will never take this point. */
export class PointRefused extends Error {
  override readonly name = 'PointRefused'
}

/** The source has fewer rows than it had at the beginning, so nothing can be said of the copy. */
export class SourceShrunk extends Error {
  override readonly name = 'SourceShrunk'
  constructor(less: string) {
    super(`the source ${less}: somebody removes from it meanwhile, or its database is gone`)
  }
}
