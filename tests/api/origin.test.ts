import { describe, expect, it } from 'vitest'
import { isForeignOrigin } from '#api/origin'
import { languageOf } from '#api/problems'

describe('a request of another site', () => {
  it.each([
    ['from the page of the same host', { origin: 'http://wall:8080', host: 'wall:8080' }, '', false],
    ['from the same host in capitals', { origin: 'http://wall:8080', host: 'WALL:8080' }, '', false],
    ['from another host', { origin: 'http://evil.example', host: 'wall:8080' }, '', true],
    ['from another port', { origin: 'http://wall:8081', host: 'wall:8080' }, '', true],
    ['from a sandbox, whose origin is null', { origin: 'null', host: 'wall:8080' }, '', true],
    ['from a program that is no browser', { host: 'wall:8080' }, '', false],
    ['without Origin, but told to be cross-site', { host: 'wall:8080', 'sec-fetch-site': 'cross-site' }, '', true],
    ['without Origin, but told to be of a sister site', { host: 'wall:8080', 'sec-fetch-site': 'same-site' }, '', true],
    [
      'without Origin, told to be of the same origin',
      { host: 'wall:8080', 'sec-fetch-site': 'same-origin' },
      '',
      false,
    ],
    [
      'from the public origin behind a proxy',
      { origin: 'https://t.example', host: 'api:8080' },
      'https://t.example',
      false,
    ],
    [
      'from the Host when a public origin is set',
      { origin: 'http://api:8080', host: 'api:8080' },
      'https://t.example',
      true,
    ],
    [
      'over http when the public origin is https',
      { origin: 'http://t.example', host: 't.example' },
      'https://t.example',
      true,
    ],
  ] as const)('%s', (_name, headers, publicOrigin, foreign) => {
    expect(isForeignOrigin(headers, publicOrigin)).toBe(foreign)
  })
})

describe('the language of a title', () => {
  it.each([
    [undefined, 'zh'],
    ['en-GB,en;q=0.9', 'en'],
    ['zh-CN,zh;q=0.9,en;q=0.8', 'zh'],
    ['en;q=0.5, zh;q=0.7', 'zh'],
    ['fr, en;q=0.3', 'en'],
    ['fr', 'zh'],
    [';;;,,q=', 'zh'],
  ] as const)('is for %s %s', (header, language) => {
    expect(languageOf(header)).toBe(language)
  })
})
