/** What the listeners of all parts say of themselves alike: where they bind, where they are reached, why a port cannot be opened. */
import type { SettingName } from './settings.ts'

/** The address to bind to. “localhost” may be two addresses; it is 127.0.0.1 here. */
export const bindHostOf = (host: string): string => (host === 'localhost' ? '127.0.0.1' : host)

/** The host in a URL by which a listener on `host` is reached from its own machine. */
export function urlHostOf(host: string): string {
  if (host === '' || host === '0.0.0.0' || host === '::' || host === 'localhost') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

/** What to tell a person when a port cannot be opened, in the words of its setting; any other error as it is. */
export function listenRefusal(
  error: Error & { readonly code?: string | undefined },
  port: number,
  setting: SettingName,
): Error {
  if (error.code === 'EADDRINUSE')
    return new Error(`${setting}=${port} is taken by another program; stop it or set ${setting} to a free port`, {
      cause: error,
    })
  if (error.code === 'EACCES')
    return new Error(`${setting}=${port} may not be opened by this account; set ${setting} to a port above 1023`, {
      cause: error,
    })
  return error
}
