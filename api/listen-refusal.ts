import type { SettingName } from '#contract/settings'

/** What to tell a person when a port cannot be opened, in the words of its setting; any other error as it is. */
export function listenRefusal(error: NodeJS.ErrnoException, port: number, setting: SettingName = 'HTTP_PORT'): Error {
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
