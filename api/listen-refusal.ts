/** What to tell a person when the HTTP port cannot be opened; any other error as it is. */
export function listenRefusal(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code === 'EADDRINUSE')
    return new Error(`HTTP_PORT=${port} is taken by another program; stop it or set HTTP_PORT to a free port`, {
      cause: error,
    })
  if (error.code === 'EACCES')
    return new Error(`HTTP_PORT=${port} may not be opened by this account; set HTTP_PORT to a port above 1023`, {
      cause: error,
    })
  return error
}
