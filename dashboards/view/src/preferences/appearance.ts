/** Theme, motion and shortcuts: what the person chose, written where the style sheets read it. */
import { computed, onScopeDispose, shallowRef, watch } from 'vue'
import { remembered } from './remembered.ts'

export type Theme = 'dark' | 'light'

/** A night shift reads this screen: dark until the person chooses otherwise. */
export const theme = shallowRef<Theme>(remembered.read('theme') === 'light' ? 'light' : 'dark')
export const singleKeys = shallowRef(remembered.read('singleKeys') !== 'off')
const motionPaused = shallowRef(remembered.read('motion') === 'paused')
const lessMotion = window.matchMedia('(prefers-reduced-motion: reduce)')
const systemReduced = shallowRef(lessMotion.matches)
lessMotion.addEventListener('change', () => (systemReduced.value = lessMotion.matches))

/** True when nothing may move: asked for by the system, or by the person. */
export const motionless = computed(() => motionPaused.value || systemReduced.value)
export const isMotionPaused = computed(() => motionPaused.value)

export const switchTheme = (): void => {
  theme.value = theme.value === 'dark' ? 'light' : 'dark'
}
export const setMotionPaused = (paused: boolean): void => {
  motionPaused.value = paused
}

watch(
  theme,
  (next) => {
    remembered.write('theme', next)
    document.documentElement.dataset['theme'] = next
  },
  { immediate: true },
)
watch(singleKeys, (on) => remembered.write('singleKeys', on ? 'on' : 'off'))
watch(motionPaused, (paused) => remembered.write('motion', paused ? 'paused' : 'on'))
watch(
  motionless,
  (still) => {
    document.documentElement.dataset['motion'] = still ? 'off' : 'on'
  },
  { immediate: true },
)

/** `wide` has three columns, `medium` puts the lift in a drawer, `narrow` shows one view at a time. */
export type Layout = 'wide' | 'medium' | 'narrow'

export function useLayout() {
  const wide = window.matchMedia('(min-width: 1440px)')
  const medium = window.matchMedia('(min-width: 1024px)')
  const read = (): Layout => (wide.matches ? 'wide' : medium.matches ? 'medium' : 'narrow')
  const layout = shallowRef<Layout>(read())
  const update = () => (layout.value = read())
  wide.addEventListener('change', update)
  medium.addEventListener('change', update)
  onScopeDispose(() => {
    wide.removeEventListener('change', update)
    medium.removeEventListener('change', update)
  })
  return layout
}
