import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PARTS, SETTINGS, SettingsError, readSettings } from '#contract/settings'

const mistakesOf = (environment: Record<string, string>): readonly string[] => {
  try {
    readSettings(environment)
    return []
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes
    throw error
  }
}

describe('settings', () => {
  it('need nothing to be set: every part runs on embedded stores', () => {
    const settings = readSettings({})
    expect([...settings.PARTS]).toEqual([...PARTS])
    expect(settings).toMatchObject({ JOURNAL_URL: '', BUS_URL: 'local:', HTTP_PORT: 8080, MQTT_PORT: 1883 })
  })

  it('take an empty value as unset, because compose files leave variables empty', () => {
    expect(readSettings({ HTTP_PORT: '', PARTS: '' })).toEqual(readSettings({}))
  })

  it('read parts in any order and with spaces', () => {
    expect([...readSettings({ PARTS: 'api, broker' }).PARTS].sort()).toEqual(['api', 'broker'])
  })

  it('tell every mistake at once, each with the name of its variable', () => {
    const mistakes = mistakesOf({ HTTP_PORT: 'http', MQTT_PORT: '70000', PARTS: 'broker,engine', DEMO_LIFTS: '-1' })
    expect(mistakes).toHaveLength(4)
    for (const name of ['HTTP_PORT', 'MQTT_PORT', 'PARTS', 'DEMO_LIFTS'])
      expect(mistakes.filter((mistake) => mistake.startsWith(name))).toHaveLength(1)
    expect(mistakes.find((mistake) => mistake.startsWith('PARTS'))).toContain('“engine”')
    expect(mistakes.find((mistake) => mistake.startsWith('MQTT_PORT'))).toContain('from 0 to 65535')
  })

  it('take a port or off where a listener may be missing, and nothing else', () => {
    expect(readSettings({}).ALARMS_MQTT_PORT).toBe(1884)
    expect(readSettings({ ALARMS_MQTT_PORT: '0' }).ALARMS_MQTT_PORT).toBe(0)
    expect(readSettings({ ALARMS_MQTT_PORT: 'off' }).ALARMS_MQTT_PORT).toBeUndefined()
    for (const text of ['-1', '65536', 'OFF', '1e3', ' ', '18.84', '0x10'])
      expect(mistakesOf({ ALARMS_MQTT_PORT: text }), text).toEqual([
        expect.stringMatching(/^ALARMS_MQTT_PORT=.*from 0 to 65535, or off$/) as string,
      ])
  })

  it('take whole numbers within their range and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.integer(),
          fc.double(),
          fc.string().filter((text) => text !== ''),
        ),
        (value) => {
          const number = Number(String(value))
          const isPort = Number.isSafeInteger(number) && number >= 0 && number <= 65_535
          expect(mistakesOf({ HTTP_PORT: String(value) })).toHaveLength(isPort ? 0 : 1)
        },
      ),
    )
  })

  it('ignore variables of other programs', () => {
    expect(readSettings({ PATH: '/bin', HOME: '/root' })).toEqual(readSettings({}))
  })

  it('explain each variable in both languages and have defaults that are valid', () => {
    for (const [name, { zh, en }] of Object.entries(SETTINGS)) {
      expect(name).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
      expect(zh).toMatch(/\p{Script=Han}/u)
      expect(en).not.toBe('')
    }
    expect(mistakesOf(Object.fromEntries(Object.entries(SETTINGS).map(([name, row]) => [name, row.default])))).toEqual(
      [],
    )
  })
})
