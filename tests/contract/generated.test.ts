import { readFile } from 'node:fs/promises'
import specs from '@asyncapi/specs'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { DEVICE_MESSAGES, LIVE_MESSAGES, buildAsyncApi } from '#contract/asyncapi'
import { buildFaultPage } from '#contract/fault-page'
import { FAULTS } from '#contract/faults'
import type { LiftId } from '#contract/ids'
import { MESSAGE_KINDS, deviceTopic } from '#contract/topics'

const generated = (name: string) => readFile(new URL(`../../contract/generated/${name}`, import.meta.url), 'utf8')
const SAY = 'is stale: run “npm run generate”'

type Document = {
  channels: Record<string, { address: string; messages: Record<string, unknown> }>
  operations: Record<string, { action: string; bindings?: { mqtt?: { qos: number; retain: boolean } } }>
}
/** As readers get it: through JSON. */
const asyncApi = JSON.parse(JSON.stringify(buildAsyncApi())) as Document

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
// The package types its schemas with a JSON Schema library that differs from ajv's types only in name.
const isAsyncApi = ajv.compile(specs.schemasWithoutId['3.0.0'] as object)

describe('contract/generated', () => {
  it('holds the AsyncAPI document of the present contract', async () => {
    expect(await generated('asyncapi.json'), SAY).toBe(`${JSON.stringify(buildAsyncApi(), null, 2)}\n`)
  })

  it('holds the present fault table', async () => {
    expect(await generated('faults.md'), SAY).toBe(buildFaultPage())
    expect(buildFaultPage().match(/^\| \d+ \|/gm)).toHaveLength(FAULTS.length)
  })
})

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3.0', () => {
    expect(isAsyncApi(asyncApi), JSON.stringify(isAsyncApi.errors?.slice(0, 5))).toBe(true)
  })

  it('would be refused if it were not', () => {
    const { receiveStatus, ...others } = asyncApi.operations
    const broken = { ...asyncApi, operations: { ...others, receiveStatus: { ...receiveStatus, action: 'publish' } } }
    expect(isAsyncApi(broken)).toBe(false)
  })

  it('has references that lead somewhere', () => {
    const references = JSON.stringify(asyncApi).match(/"#\/[^"]+"/g) ?? []
    expect(references.length).toBeGreaterThan(20)
    for (const reference of references) {
      const path = (JSON.parse(reference) as string).slice(2).split('/')
      const target = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], asyncApi)
      expect(target, reference).toBeDefined()
    }
  })

  it('has one channel for each topic, received with QoS 1 and not retained', () => {
    for (const kind of MESSAGE_KINDS) {
      const address = asyncApi.channels[kind]?.address.replace('{lift}', 'yinghua-7-2')
      expect(address).toBe(deviceTopic('yinghua-7-2' as LiftId, kind))
      const operation = asyncApi.operations[`receive${kind.charAt(0).toUpperCase()}${kind.slice(1)}`]
      expect(operation).toMatchObject({ action: 'receive', bindings: { mqtt: { qos: 1, retain: false } } })
    }
  })

  it('lets the platform send to viewers and subscribers only, never to a lift', () => {
    const sending = Object.entries(asyncApi.operations).filter(([, { action }]) => action === 'send')
    expect(sending.map(([name]) => name)).toEqual(['sendAlarm', 'sendLive'])
    expect(asyncApi.channels['alarms']?.address).toBe('alarms/v1/{town}/{lift}')
    expect(Object.keys(asyncApi.channels['live']?.messages ?? {})).toEqual(Object.keys(LIVE_MESSAGES))
  })

  it('gives examples that its schemas accept', () => {
    const strict = new Ajv({ strict: false })
    addFormats.default(strict)
    for (const kind of MESSAGE_KINDS) {
      const { payload, example } = DEVICE_MESSAGES[kind]
      const isPayload = strict.compile(JSON.parse(JSON.stringify(payload)) as object)
      expect(isPayload(example), `${kind}: ${JSON.stringify(isPayload.errors)}`).toBe(true)
    }
  })
})
