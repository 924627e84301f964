/** A process of its own with a register: `write <url>` tells each row once it is committed, `open <url>` only opens it. */
import { silentLog } from '#contract/log-events'
import { openRegister } from '#storage/register/register'

const [act, url] = process.argv.slice(2)
const say = (text: string) => process.stdout.write(`${text}\n`)

try {
  const register = await openRegister(url ?? '', { log: { ...silentLog, info: (event) => say(event) } })
  say('open')
  for (let row = 1; act === 'write'; row += 1) {
    await register.audit.add({ atMs: row, by: 'child', act: 'write', subject: 'x'.repeat(row % 3_000), detail: '' })
    say(`row ${row}`)
  }
  await register[Symbol.asyncDispose]()
} catch (error) {
  say(`refused: ${error instanceof Error ? error.message : String(error)}`)
}
