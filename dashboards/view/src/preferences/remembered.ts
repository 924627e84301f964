/** Choices of the person at this browser. A browser that forbids storage only forgets them. */
type Choice = 'language' | 'theme' | 'singleKeys' | 'motion'

const keyOf = (choice: Choice) => `tiwang.${choice}`

export const remembered = {
  read(choice: Choice): string | undefined {
    try {
      return localStorage.getItem(keyOf(choice)) ?? undefined
    } catch {
      return undefined
    }
  },
  write(choice: Choice, value: string): void {
    try {
      localStorage.setItem(keyOf(choice), value)
    } catch {
      // Nothing depends on it: the choice holds until the page is closed.
    }
  },
}
