/** Who is signed in at this browser. The cookie itself is out of reach of scripts. */
import { shallowRef } from 'vue'
import type { User } from '#contract/register'
import { ask, Problem } from './requests.ts'

export type SignedIn = { readonly user: User; readonly expiresAt: string }

export const signedIn = shallowRef<SignedIn>()

/** Asks the server who we are. Undefined without a session; throws a `Problem` when the server cannot say. */
export async function readSession(): Promise<SignedIn | undefined> {
  try {
    signedIn.value = await ask<SignedIn>('GET', '/api/v1/session')
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'session.missing') throw error
    signedIn.value = undefined
  }
  return signedIn.value
}

export async function signIn(username: string, password: string): Promise<void> {
  signedIn.value = await ask<SignedIn>('POST', '/api/v1/session', { body: { username, password } })
}

/** Ends the session. Without the server the browser still forgets who it was. */
export async function signOut(): Promise<void> {
  try {
    await ask('DELETE', '/api/v1/session')
  } finally {
    signedIn.value = undefined
  }
}
