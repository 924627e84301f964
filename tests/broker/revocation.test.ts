import { describe, expect, it } from 'vitest'
import type { LiftId } from '#contract/ids'
import { startPostgres } from '../servers/postgres.ts'
import { memoryRegister } from '../servers/register.ts'
import { silentLog } from '#contract/log-events'
import { openRegister, type Register } from '#storage/register/register'
import { lift } from '../storage/register-rows.ts'
import { brokerUnderTest, eventually, SECRET, SERIAL, STATUS_TOPIC, terminalRow } from './broker-under-test.ts'
import { connectPacket, puback, publishPacket } from './raw-terminal.ts'

/** A broker on a register; `writer` is where somebody else writes. */
async function withBroker(
  register: Register,
  writer: Register,
  check: (under: Awaited<ReturnType<typeof brokerUnderTest>>) => Promise<void>,
) {
  const { revision: _, ...row } = await terminalRow()
  await writer.lifts.put([lift('lift-0001'), lift('lift-0002')])
  await writer.terminals.put([row])
  await using under = await brokerUnderTest({ register: register.terminals, timeouts: { recheckMs: 3_600_000 } })
  await check(under)
}
const put = async (writer: Register, change: Parameters<typeof terminalRow>[0]) => {
  const { revision: _, ...row } = await terminalRow(change)
  await writer.terminals.put([row])
}

describe('a change in the register', () => {
  it('cuts the connection, and the terminal is judged anew', async () => {
    await using register = await memoryRegister()
    await withBroker(register, register, async (under) => {
      const terminal = await under.admitted()
      await put(register, { revokedAtMs: 5 })
      expect(await terminal.next()).toBeUndefined()
      const refused = await under.raw()
      refused.send(connectPacket({ username: SERIAL, password: SECRET }))
      expect((await refused.next())?.[3]).toBe(5)

      await put(register, { lift: 'lift-0002' as LiftId })
      await eventually('it is back', async () => {
        const back = await under.raw()
        back.send(connectPacket({ username: SERIAL, password: SECRET }))
        if ((await back.next())?.[3] !== 0) return false
        back.send(publishPacket({ topic: STATUS_TOPIC.replace('lift-0001', 'lift-0002'), payload: '{}', id: 9 }))
        expect(await back.next()).toEqual(puback(9))
        return true
      })
    })
  })

  it('made by another process is seen as well', async () => {
    await using server = await startPostgres()
    const url = await server.newDatabase()
    await using register = await openRegister(url, { log: silentLog })
    await using writer = await openRegister(url, { log: silentLog })
    await withBroker(register, writer, async (under) => {
      const terminal = await under.admitted()
      await put(writer, { revokedAtMs: 5 })
      expect(await terminal.next()).toBeUndefined()
      expect(await under.refusals()).toEqual({ 'admission.revoked': 1 })
    })
  })
})
