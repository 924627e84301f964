/** The tones themselves, generated: no files, no requests. */
import { shallowRef } from 'vue'
import type { Tone } from './schedule.ts'

export type PlayedTone = { readonly priority: Tone; readonly atMs: number }
type Note = { readonly hz: number; readonly atS: number; readonly lengthS: number; readonly level: number }

const PATTERNS: Readonly<Record<Tone | 'hello', readonly Note[]>> = {
  1: [
    { hz: 523, atS: 0, lengthS: 0.18, level: 0.5 },
    { hz: 659, atS: 0.2, lengthS: 0.18, level: 0.5 },
    { hz: 784, atS: 0.4, lengthS: 0.18, level: 0.5 },
  ],
  2: [
    { hz: 587, atS: 0, lengthS: 0.18, level: 0.35 },
    { hz: 494, atS: 0.24, lengthS: 0.22, level: 0.35 },
  ],
  3: [{ hz: 440, atS: 0, lengthS: 0.25, level: 0.15 }],
  link: [
    { hz: 196, atS: 0, lengthS: 0.25, level: 0.4 },
    { hz: 196, atS: 0.4, lengthS: 0.25, level: 0.4 },
  ],
  hello: [{ hz: 523, atS: 0, lengthS: 0.2, level: 0.12 }],
}
const LOG_COUNT_MAX = 1_000

let context: AudioContext | undefined
/** True when the browser really plays: it refuses until the person has touched the page. */
export const isSoundRunning = shallowRef(false)

/** Must be called from a click or a key press. Never throws: a machine without sound says so in the bar. */
export async function unlockSound(): Promise<void> {
  try {
    if (context === undefined) {
      context = new AudioContext()
      const made = context
      made.addEventListener('statechange', () => (isSoundRunning.value = made.state === 'running'))
    }
    if (context.state !== 'running') await context.resume()
    isSoundRunning.value = context.state === 'running'
  } catch {
    isSoundRunning.value = false
  }
}

/** A soft tone that lets the person hear that the sound works. It is no alarm and is not logged. */
export const playHello = (): void => playPattern(PATTERNS.hello)

/** Plays one alarm tone and logs it; does nothing while the browser refuses sound. */
export function playTone(tone: Tone, atMs: number): boolean {
  if (context?.state !== 'running') return false
  playPattern(PATTERNS[tone])
  const log = (window.__tiwangSoundLog ??= [])
  log.push({ priority: tone, atMs })
  if (log.length > LOG_COUNT_MAX) log.shift()
  return true
}

function playPattern(notes: readonly Note[]): void {
  if (context?.state !== 'running') return
  for (const note of notes) {
    const startS = context.currentTime + note.atS
    const oscillator = context.createOscillator()
    const gain = context.createGain()
    oscillator.frequency.value = note.hz
    oscillator.type = 'triangle'
    // Ramps keep the loudspeaker from clicking.
    gain.gain.setValueAtTime(0, startS)
    gain.gain.linearRampToValueAtTime(note.level, startS + 0.015)
    gain.gain.setValueAtTime(note.level, startS + note.lengthS - 0.04)
    gain.gain.linearRampToValueAtTime(0, startS + note.lengthS)
    oscillator.connect(gain).connect(context.destination)
    oscillator.start(startS)
    oscillator.stop(startS + note.lengthS + 0.02)
  }
}
