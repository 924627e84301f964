/** What Aedes says about its clients: who is admitted, who failed, and what that failure counts as. */
import type { Aedes, Client } from 'aedes'
import type { AdmissionRefusal } from '#contract/errors'
import type { Log } from '#contract/log-events'
import { totalListener } from '#contract/total-hook'
import { AdmissionError } from './admission.ts'
import type { Connection } from './connection.ts'
import type { Refusals } from './refusals.ts'

/** Hears what Aedes says about connections. Every listener is total; without the one for `error`, Aedes ends the process. */
export function listenToClients(
  aedes: Aedes,
  o: {
    connections: ReadonlyMap<object, Connection>
    refusals: Pick<Refusals, 'count'>
    log: Log
    onFault: (hook: string, fault: unknown) => void
    onReady: (client: Client, connection: Connection) => void
  },
): void {
  const total = <Given extends unknown[]>(name: string, listener: (...given: Given) => void) =>
    totalListener(listener, (fault) => o.onFault(name, fault))
  const onError = total('clientError', (client: Client, error: Error) => {
    const connection = o.connections.get(client)
    if (error instanceof AdmissionError) return
    if (connection) connection.endReason = error.message
    const code = refusalOf(error)
    if (code)
      o.refusals.count(code, {
        terminal: connection?.terminalName,
        address: connection?.address ?? '',
        detail: error.message,
      })
  })
  aedes.on('clientError', onError)
  aedes.on('connectionError', onError)
  const onReady = total('clientReady', (client: Client) => {
    const connection = o.connections.get(client)
    if (connection === undefined || connection.conn.destroyed) return
    connection.clearAnswerTimer()
    connection.isReady = true
    connection.place.admit()
    o.onReady(client, connection)
    o.log.debug('terminal.connected', {
      terminal: connection.terminalName,
      lift: connection.terminal?.lift,
      clientId: connection.claim?.clientId,
    })
  })
  aedes.on('clientReady', onReady)
  // Not among Aedes' declared events, but emitted when its store fails.
  ;(aedes as NodeJS.EventEmitter).on('error', (error: Error) => o.onFault('error', error))
}

/**
 * The refusal that an error of Aedes 1.2.0 or its parser stands for; undefined when the link broke, which is nobody's
 * fault. The texts are Aedes' own.
 */
export function refusalOf(error: Error & { code?: unknown }): AdmissionRefusal | undefined {
  if (typeof error.code === 'string') return undefined
  const { message } = error
  if (message === 'connect did not arrive in time') return 'admission.timeout'
  if (message === 'keep alive timeout') return 'admission.silent'
  if (message === 'drain timeout') return 'admission.slowReader'
  if (/^(connection closed|connection is closed|the broker is stopping)$/.test(message)) return undefined
  if (/^(empty topic not allowed|[#+] is not allowed|topic has too many levels)/.test(message))
    return 'admission.foreignTopic'
  return 'admission.protocol'
}
