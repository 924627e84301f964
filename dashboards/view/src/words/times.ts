/** Times as people read them: always Asia/Shanghai, ages and spans in whole units. */
import type { Catalogue, Language } from './catalogue.ts'

const zone = 'Asia/Shanghai'
const formats = new Map<string, Intl.DateTimeFormat>()

function format(key: string, language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${key} ${language}`
  let made = formats.get(name)
  if (made === undefined) {
    made = new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : 'zh-CN', {
      timeZone: zone,
      hourCycle: 'h23',
      ...options,
    })
    formats.set(name, made)
  }
  return made
}

/** “14:31:52”. */
export const clockWords = (atMs: number, language: Language): string =>
  format('clock', language, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(atMs)

/** “14:31”. */
export const minuteWords = (atMs: number, language: Language): string =>
  format('minute', language, { hour: '2-digit', minute: '2-digit' }).format(atMs)

/** “11月21日 周六”. */
export const dateWords = (atMs: number, language: Language): string =>
  format('date', language, { month: 'short', day: 'numeric', weekday: 'short' }).format(atMs)

/** “11-21”, for axes. */
export const dayWords = (atMs: number, language: Language): string => {
  const parts = format('day', language, { month: '2-digit', day: '2-digit' }).formatToParts(atMs)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  return `${part('month')}-${part('day')}`
}

const isSameDay = (aMs: number, bMs: number, language: Language) => dayWords(aMs, language) === dayWords(bMs, language)

/** The clock alone for today, with the day before it otherwise. */
export const momentWords = (atMs: number, nowMs: number, language: Language): string =>
  isSameDay(atMs, nowMs, language) && Math.abs(nowMs - atMs) < 86_400_000
    ? clockWords(atMs, language)
    : `${dayWords(atMs, language)} ${minuteWords(atMs, language)}`

/** “3 分钟前”. */
export function ageWords(ageMs: number, words: Catalogue): string {
  const seconds = Math.max(0, Math.floor(ageMs / 1000))
  if (seconds < 1) return words.ageNow
  if (seconds < 60) return words.ageSeconds(seconds)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return words.ageMinutes(minutes)
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? words.ageHours(hours, minutes % 60) : words.ageDays(Math.floor(hours / 24))
}

/** “12 分钟”. */
export function spanWords(spanMs: number, words: Catalogue): string {
  const seconds = Math.max(0, Math.floor(spanMs / 1000))
  if (seconds < 60) return words.spanSeconds(seconds)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return words.spanMinutes(minutes)
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? words.spanHours(hours, minutes % 60) : words.spanDays(Math.floor(hours / 24), hours % 24)
}

/** “06:42” below an hour, hours and minutes above. */
export function elapsedWords(spanMs: number, words: Catalogue): string {
  const seconds = Math.max(0, Math.floor(spanMs / 1000))
  if (seconds >= 3600) return spanWords(spanMs, words)
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`
}
