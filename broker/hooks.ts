/** The hooks that Aedes calls, each made total. */
import type { AedesOptions, AuthenticateError, Client } from 'aedes'
import { authenticate, preConnect, withReturnCode, type MutableConnect } from './connect-hooks.ts'
import type { HookContext } from './hook-context.ts'
import { authorizePublish, authorizeSubscribe, type MutablePublication } from './publish-hooks.ts'
import { totalHook } from '#contract/total-hook'

type Hooks = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'>
>

/** All hooks of one broker. A fault in one of them is told, and refuses what it was asked about. */
export function deviceHooks(o: HookContext): Hooks {
  return {
    preConnect: totalHook<[Client, MutableConnect], [Error | null, boolean]>(
      (client, packet, reply) => preConnect(o, client, packet, reply),
      (fault) => [faultOf(o, 'preConnect', fault), false],
    ),
    authenticate: totalHook<[Client, unknown, unknown], [AuthenticateError | null, boolean]>(
      (client, _username, _password, reply) => authenticate(o, client, reply),
      (fault) => [withReturnCode(faultOf(o, 'authenticate', fault), 3), false],
    ),
    authorizePublish: totalHook<[Client | null, MutablePublication], [Error | null]>(
      (client, packet, reply) => authorizePublish(o, client, packet, reply),
      (fault) => [faultOf(o, 'authorizePublish', fault)],
    ),
    authorizeSubscribe: totalHook<[Client, { topic: string }], [Error | null, null]>(
      (client, subscription, reply) => authorizeSubscribe(o, client, subscription, reply),
      (fault) => [faultOf(o, 'authorizeSubscribe', fault), null],
    ),
    authorizeForward: () => null,
  }
}

function faultOf(o: HookContext, hook: string, fault: unknown): Error {
  o.onFault(hook, fault)
  return fault instanceof Error ? fault : new Error(`hook ${hook} failed`)
}
