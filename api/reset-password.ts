/**
 * `npm run reset-password -- NAME`: gives a person a new generated password and prints it, once. Reads the same settings as
 * the program; an embedded register is only free while the program is stopped.
 */
import { resolve } from 'node:path'
import { silentLog } from '#contract/log-events'
import { readSettings, storeUrlsOf } from '#contract/settings'
import { openRegister } from '#storage/register/register'
import { hashPassword, newPassword } from '#storage/register/secrets'

async function resetPassword(username: string): Promise<string> {
  const settings = readSettings(process.env)
  const url = storeUrlsOf(settings, resolve(settings.DATA_DIR)).register
  await using register = await openRegister(url, { log: silentLog })
  const user = await register.users.byUsername(username)
  if (user === undefined) throw new Error(`There is nobody with the user name ${username}.`)
  const password = newPassword()
  await register.users.put([{ ...user, passwordHash: await hashPassword(password) }])
  await register.audit.add({
    atMs: Date.now(),
    by: 'reset-password',
    act: 'user.resetPassword',
    subject: user.id,
    detail: '',
  })
  return password
}

const [username] = process.argv.slice(2)
try {
  if (username === undefined) throw new Error('Usage: npm run reset-password -- NAME')
  process.stdout.write(`${username}\t${await resetPassword(username)}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
