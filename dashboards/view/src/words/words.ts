/** The language in use, kept per browser. Components read `words`; it changes at once when the language does. */
import { computed, shallowRef, watch } from 'vue'
import { remembered } from '../preferences/remembered.ts'
import type { Catalogue, Language, Named } from './catalogue.ts'
import { en } from './en.ts'
import { zhCN } from './zh-cn.ts'

const catalogues: Record<Language, Catalogue> = { 'zh-CN': zhCN, en }

export const language = shallowRef<Language>(remembered.read('language') === 'en' ? 'en' : 'zh-CN')
export const words = computed(() => catalogues[language.value])
/** The name of a row of a contract table in the language in use. */
export const nameOf = (row: Named): string => (language.value === 'en' ? row.en : row.zh)

export function switchLanguage(): void {
  language.value = language.value === 'en' ? 'zh-CN' : 'en'
}

watch(
  language,
  (next) => {
    remembered.write('language', next)
    document.documentElement.lang = next
  },
  { immediate: true },
)
