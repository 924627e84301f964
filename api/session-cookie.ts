/** The cookie that carries the session token: its name, its attributes, and how it is read from a header. */
import type { CookieSerializeOptions } from '@fastify/cookie'
import { fastifyCookie } from '@fastify/cookie'

export type SessionCookie = {
  readonly name: string
  readonly options: CookieSerializeOptions
  /** The token in a Cookie header. */
  read(header: string | undefined): string | undefined
}

const COOKIE_HEADER_LENGTH_MAX = 8_192

/** Behind https the cookie is Secure and bound to exactly this host by the `__Host-` prefix. */
export function sessionCookie(publicOrigin: string): SessionCookie {
  const secure = publicOrigin.startsWith('https:')
  const name = secure ? '__Host-tiwang_session' : 'tiwang_session'
  return {
    name,
    options: { path: '/', httpOnly: true, sameSite: 'strict', secure },
    read: (header) =>
      header === undefined || header.length > COOKIE_HEADER_LENGTH_MAX ? undefined : fastifyCookie.parse(header)[name],
  }
}
