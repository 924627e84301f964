import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { BROKER_LIMITS, LIMIT_SETTINGS, limitsOf } from '#broker/limits'
import { readSettings, SETTINGS } from '#contract/settings'

const names = Object.values(LIMIT_SETTINGS)
const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('the bounds of the broker', () => {
  it('have the defaults of their settings', () => {
    for (const [limit, name] of Object.entries(LIMIT_SETTINGS))
      expect(Reflect.get(BROKER_LIMITS, limit), limit).toBe(Number(SETTINGS[name].default))
  })

  it('follow their settings, each its own', () => {
    for (const [limit, name] of Object.entries(LIMIT_SETTINGS)) {
      const other = SETTINGS[name].min + 1
      const limits = limitsOf(readSettings({ [name]: String(other) }))
      expect(limits, name).toEqual({ ...BROKER_LIMITS, [limit]: other })
      expect(Reflect.get(BROKER_LIMITS, limit), name).not.toBe(other)
    }
  })

  it('can be set in the compose file', async () => {
    const compose = await read('docker-compose.yml')
    for (const name of names) expect(compose).toContain(`${name}: \${${name}:-${SETTINGS[name].default}}`)
  })

  it('stand in the README with their defaults, and nothing else does', async () => {
    const table = [...(await read('broker/README.md')).matchAll(/^\| `([A-Z_]+)`\s*\| (\d+)/gm)]
    expect(table.map(([, name, value]) => [name, value])).toEqual(names.map((name) => [name, SETTINGS[name].default]))
  })
})
