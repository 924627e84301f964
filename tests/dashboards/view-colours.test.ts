import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'

const css = await readFile(new URL('../../dashboards/view/src/tokens.css', import.meta.url), 'utf8')

/** The tokens of one theme, as the style sheet has them. */
function tokensOf(theme: 'dark' | 'light'): ReadonlyMap<string, string> {
  const block = new RegExp(`\\[data-theme='${theme}'\\] \\{([^}]*)\\}`).exec(css)?.[1] ?? ''
  return new Map(
    [...block.matchAll(/--([a-z0-9-]+):\s*(#[0-9a-f]{6})/g)].map(([, name = '', value = '']) => [name, value]),
  )
}
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (light + 0.05) / (dark + 0.05)
}

describe.each(['dark', 'light'] as const)('the colours of the %s theme', (theme) => {
  const tokens = tokensOf(theme)
  const ratio = (a: string, b: string) => contrast(tokens.get(a) ?? '#000000', tokens.get(b) ?? '#000000')

  it('are all there', () => {
    for (const name of [
      'bg0',
      'bg1',
      'bg2',
      'bg3',
      'line2',
      't1',
      't2',
      't3',
      'accent',
      'accent-on',
      'p1',
      'p1on',
      'p1txt',
      'p2',
      'p2on',
      'p3',
      'p3on',
      'p4',
      'live',
    ])
      expect(tokens.has(name), name).toBe(true)
  })

  it('give every text at least 4.5 to 1 on every ground', () => {
    for (const text of ['t1', 't2', 't3'])
      for (const ground of ['bg0', 'bg1', 'bg2', 'bg3'])
        expect(ratio(text, ground), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5)
    for (const [text, ground] of [
      ['accent-on', 'accent'],
      ['p1on', 'p1'],
      ['p2on', 'p2'],
      ['p3on', 'p3'],
      ['p1txt', 'bg1'],
      ['accent', 'bg1'],
    ] as const)
      expect(ratio(text, ground), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5)
  })

  it('give borders of controls and marks at least 3 to 1', () => {
    for (const mark of ['line2', 'p1', 'p4', 'live', 'accent'])
      expect(ratio(mark, 'bg1'), mark).toBeGreaterThanOrEqual(3)
    // On white the fills of P2 and P3 are lighter than that: their dark edge carries the shape.
    for (const mark of ['p2', 'p3'])
      expect(Math.max(ratio(mark, 'bg1'), theme === 'light' ? ratio('edge', 'bg1') : 0), mark).toBeGreaterThanOrEqual(3)
  })
})
