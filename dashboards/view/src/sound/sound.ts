/** Turns what is on the desk into tones, several times a second. */
import { computed, onScopeDispose, shallowRef } from 'vue'
import type { Live } from '../live/live.ts'
import { muteLeftMs, nextTone, silence, toggleMute } from './schedule.ts'
import { isSoundRunning, playTone, unlockSound } from './tones.ts'

const TICK_MS = 200

export function useSound(live: Live) {
  const memory = silence()
  const mutedMs = shallowRef(0)
  const tick = () => {
    const nowMs = Date.now()
    const alarms = [...live.alarmList.alarms.value.values()]
    mutedMs.value = muteLeftMs(memory, alarms, nowMs)
    // Without a running sound nothing counts as heard: everything sounds as soon as it may.
    if (!isSoundRunning.value) return
    const tone = nextTone(memory, { alarms, linkAwaySinceMs: live.link.awaySinceMs.value }, nowMs)
    if (tone !== undefined) playTone(tone, nowMs)
  }
  const timer = setInterval(tick, TICK_MS)
  // Browsers allow sound after any touch of the page; the first one is taken.
  const unlock = () => {
    if (!isSoundRunning.value) void unlockSound()
  }
  window.addEventListener('pointerdown', unlock)
  window.addEventListener('keydown', unlock)
  onScopeDispose(() => {
    clearInterval(timer)
    window.removeEventListener('pointerdown', unlock)
    window.removeEventListener('keydown', unlock)
  })
  return {
    isRunning: isSoundRunning,
    muteLeftS: computed(() => Math.ceil(mutedMs.value / 1000)),
    unlock: unlockSound,
    toggleMute() {
      toggleMute(memory, Date.now())
      tick()
    },
  }
}
export type Sound = ReturnType<typeof useSound>
