/** Turns what is on the desk into tones, several times a second. */
import { computed, onScopeDispose, shallowRef } from 'vue'
import type { Live } from '../live/live.ts'
import { muteView, nextTone, silence, toggleMute, type MuteView, type SoundScene } from './schedule.ts'
import { isSoundRunning, playTone, unlockSound } from './tones.ts'

const TICK_MS = 200

export function useSound(live: Live) {
  const memory = silence()
  const mute = shallowRef<MuteView>({ action: 'none', mutedCount: 0, leftMs: 0, isP1Audible: false })
  const sceneNow = (): SoundScene => ({
    alarms: [...live.alarmList.alarms.value.values()],
    linkAwaySinceMs: live.link.awaySinceMs.value,
  })
  const tick = () => {
    const nowMs = Date.now()
    const scene = sceneNow()
    mute.value = muteView(memory, scene, nowMs)
    // Without a running sound nothing counts as heard: everything sounds as soon as it may.
    if (!isSoundRunning.value) return
    const tone = nextTone(memory, scene, nowMs)
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
    /** What the mute key does at this moment. */
    muteAction: computed(() => mute.value.action),
    mutedCount: computed(() => mute.value.mutedCount),
    muteLeftS: computed(() => Math.ceil(mute.value.leftMs / 1000)),
    isP1Audible: computed(() => mute.value.isP1Audible),
    unlock: unlockSound,
    toggleMute() {
      toggleMute(memory, sceneNow(), Date.now())
      tick()
    },
  }
}
export type Sound = ReturnType<typeof useSound>
