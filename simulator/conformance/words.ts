/** What people read, in both languages. */
export type Words = { readonly zh: string; readonly en: string }
export type Language = keyof Words

/** 90 s, 2 min 5 s, 2 h 0 min: for sentences. */
export function spanWords(ms: number): Words {
  const s = Math.round(Math.abs(ms) / 100) / 10
  if (s < 120) return { zh: `${s} 秒`, en: `${s} s` }
  const minutes = Math.floor(s / 60)
  if (minutes < 120)
    return { zh: `${minutes} 分 ${Math.round(s % 60)} 秒`, en: `${minutes} min ${Math.round(s % 60)} s` }
  return {
    zh: `${Math.floor(minutes / 60)} 小时 ${minutes % 60} 分`,
    en: `${Math.floor(minutes / 60)} h ${minutes % 60} min`,
  }
}

/** A text of the device, cut and without control characters, so that it can be printed. */
export const printable = (text: string, lengthMax = 80): string =>
  text.replace(/[\p{Cc}\p{Cs}\p{Cf}]/gu, '�').slice(0, lengthMax)

/** Text and fields of the device are quoted, so that it is seen where they end. */
export const quoted = (value: unknown): string =>
  printable(value === undefined ? 'undefined' : (JSON.stringify(value) ?? 'undefined'))
