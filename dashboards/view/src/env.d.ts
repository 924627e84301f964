/// <reference types="vite/client" />
import type { PlayedTone } from './sound/tones.ts'

declare global {
  interface Window {
    /** Every tone that was really played, oldest first, at most 1 000: tests and support read it. */
    __tiwangSoundLog?: PlayedTone[]
  }
}
