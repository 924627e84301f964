import type { zhCN } from './zh-cn.ts'

export type Language = 'zh-CN' | 'en'

type Same<T> = T extends string
  ? string
  : T extends (...given: infer Given) => string
    ? (...given: Given) => string
    : T extends readonly (readonly [string, string])[]
      ? readonly (readonly [string, string])[]
      : { readonly [Key in keyof T]: Same<T[Key]> }

/** The shape that every language must fill: a missing or surplus text does not compile. */
export type Catalogue = Same<typeof zhCN>

/** A row of a contract table that carries its own names. */
export type Named = { readonly zh: string; readonly en: string }
