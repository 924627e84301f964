import { describe, expect, it } from 'vitest'
import { bindHostOf, listenRefusal, urlHostOf } from '#contract/listening'

describe('a listener', () => {
  it.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['', '127.0.0.1'],
    ['localhost', '127.0.0.1'],
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8::1', '[2001:db8::1]'],
    ['tiwang.example', 'tiwang.example'],
  ])('on %s is reached from its own machine at %s', (host, urlHost) => {
    expect(urlHostOf(host)).toBe(urlHost)
    expect(URL.canParse(`http://${urlHost}:8080`)).toBe(true)
  })

  it('on localhost binds to one address', () => {
    expect([bindHostOf('localhost'), bindHostOf('::')]).toEqual(['127.0.0.1', '::'])
  })

  it('that cannot open its port names the setting, and keeps any other error as it is', () => {
    const error = (code: string) => Object.assign(new Error('listen'), { code })
    expect(listenRefusal(error('EADDRINUSE'), 1884, 'ALARMS_MQTT_PORT').message).toMatch(
      /^ALARMS_MQTT_PORT=1884 is taken/,
    )
    expect(listenRefusal(error('EACCES'), 80, 'HTTP_PORT').message).toMatch(/^HTTP_PORT=80 may not be opened/)
    const other = error('EADDRNOTAVAIL')
    expect(listenRefusal(other, 80, 'HTTP_PORT')).toBe(other)
  })
})
