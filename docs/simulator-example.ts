/** A town in your own tests: a broker, eight lifts, somebody who is trapped, and what was said beside what was so. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Aedes } from 'aedes'
import { silentLog } from '#contract/log-events'
import type { Truth } from '#simulator/lift/truth'
import { startSimulator } from '#simulator/start'
import { generateTown } from '#simulator/town/town'

const broker = await Aedes.createBroker()
const server = createServer(broker.handle).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

const startedAtMs = Date.now()
const nowMs = () => startedAtMs + 20 * (Date.now() - startedAtMs) // twenty seconds in one
const town = generateTown({ seed: 7, liftCount: 8, boundAtMs: startedAtMs })
const terminals = town.terminals.map(({ serial, lift }) => ({ serial, lift, secret: '' }))
const [{ id: lift } = assert.fail()] = town.lifts
const truths: Truth[] = []
const turns = new EventEmitter()
const options = { brokerUrl: `mqtt://127.0.0.1:${port}`, town, terminals, seed: 7, speed: 1, faultMinutes: 0 }
const onTruth = (truth: Truth): void => {
  if (truth.lift !== lift) return
  truths.push(truth)
  turns.emit(truth.trapped === null ? 'free' : 'trapped')
}
const simulator = await startSimulator({ ...options, onTruth, log: silentLog, nowMs })
const said: string[] = []
broker.on('publish', ({ topic, payload }) => said.push(`${topic} ${payload.toString()}`))

simulator.play({ name: 'entrapment-between-floors', lift, durationMs: 60_000 })
await once(turns, 'trapped', { signal: AbortSignal.timeout(60_000) })
await once(turns, 'free', { signal: AbortSignal.timeout(60_000) })
await simulator[Symbol.asyncDispose]()

const trapped = truths.find((truth) => truth.trapped !== null)?.trapped
assert.equal(trapped?.place, 'between')
assert.ok(trapped.peopleCount > 0)
assert.ok(said.some((line) => line.startsWith(`lifts/v1/${lift}/message `) && line.includes('"code":4,')))
server.close()
broker.close()
