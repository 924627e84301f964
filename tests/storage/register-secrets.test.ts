import { describe, expect, it } from 'vitest'
import {
  hashPassword,
  hashTerminalSecret,
  newPassword,
  newTerminalSecret,
  SecretsBusyError,
  verifyPassword,
  verifySecret,
} from '#storage/register/secrets'

describe('secrets', () => {
  it('are kept as argon2id with the cost that fits them, never twice alike', async () => {
    const password = await hashPassword('k7mp-x2ra')
    expect(password).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await hashPassword('k7mp-x2ra')).not.toBe(password)
    expect(await hashTerminalSecret('x')).toMatch(/^\$argon2id\$v=19\$m=4096,t=1,p=1\$/)
  })
  it('are verified by the cost that they were hashed with', async () => {
    for (const hashed of [await hashPassword('口令'), await hashTerminalSecret('口令')]) {
      expect(await verifySecret(hashed, '口令')).toBe(true)
      expect(await verifySecret(hashed, '口令 ')).toBe(false)
    }
  })
  it('of a whole town are hashed without a long wait', async () => {
    const startedAtMs = performance.now()
    const hashes = await Promise.all(Array.from({ length: 120 }, () => hashTerminalSecret(newTerminalSecret())))
    expect(new Set(hashes).size).toBe(120)
    expect(performance.now() - startedAtMs).toBeLessThan(5_000) // well below one second on an idle machine
  })
  it('are refused rather than queued without end', async () => {
    const hashed = await hashTerminalSecret('x')
    const answers = await Promise.allSettled(Array.from({ length: 4_200 }, () => verifySecret(hashed, 'x')))
    const refused = answers.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(4_200 - 2 - 4_096)
    for (const answer of refused) expect(answer).toMatchObject({ reason: expect.any(SecretsBusyError) as unknown })
    expect(await verifySecret(hashed, 'x')).toBe(true)
  })
  it('of people are verified while as many terminals wait as may, in turns', async () => {
    const [secret, password] = [await hashTerminalSecret('x'), await hashPassword('x')]
    let doneCount = 0
    const terminals = Promise.allSettled(
      Array.from({ length: 4_200 }, async () => {
        if (await verifySecret(secret, 'x')) doneCount += 1
      }),
    )
    expect(await verifyPassword(password, 'x')).toBe(true)
    expect(doneCount).toBeLessThan(250)
    await terminals
    expect(doneCount).toBe(2 + 4_096)
  })
  it('of terminals are verified while as many people wait as may', async () => {
    const [secret, password] = [await hashTerminalSecret('x'), await hashPassword('x')]
    let doneCount = 0
    const answers = Promise.allSettled(
      Array.from({ length: 100 }, async () => {
        if (await verifyPassword(password, 'x')) doneCount += 1
      }),
    )
    expect(await verifySecret(secret, 'x')).toBe(true)
    expect(doneCount).toBeLessThan(10)
    const refused = (await answers).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(100 - 2 - 32)
    expect(refused[0]).toMatchObject({ reason: expect.any(SecretsBusyError) as unknown })
  })
  it('are long enough not to be guessed, and passwords can be read aloud', () => {
    const passwords = Array.from({ length: 200 }, newPassword)
    for (const password of passwords) expect(password).toMatch(/^[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){3}$/)
    expect(new Set(passwords).size).toBe(200)
    expect(new Set(passwords.join('').replaceAll('-', ''))).toHaveProperty('size', 32)
    expect(newTerminalSecret()).toMatch(/^[A-Za-z0-9_-]{32}$/)
  })
})
