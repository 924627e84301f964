/** When an error means "not now" rather than "never". */

/** The register cannot be reached now; nothing is wrong with the question. */
export class RegisterAwayError extends Error {
  override readonly name = 'RegisterAwayError'
}

/**
 * SQLSTATE classes and codes after which the same question may succeed later: connection (08), resources (53), object in use
 * and lock timeout (55), intervention and time limits (57), system (58), rolled back in favour of another (40), a server
 * that is read-only because another one took over (25006).
 */
const AWAY_SQLSTATE = /^(08|40|53|57|58)|^55P03$|^55006$|^25006$/
const SQLSTATE = /^[0-9A-Z]{5}$/

/** The SQLSTATE of an error that a database reported; undefined for any other error. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined
  return typeof error.code === 'string' && SQLSTATE.test(error.code) ? error.code : undefined
}

/** An error of the driver as the register tells it: what the connection is to blame for becomes `RegisterAwayError`. */
export function asRegisterError(error: unknown): unknown {
  if (error instanceof RegisterAwayError || error instanceof TypeError || error instanceof RangeError) return error
  const sqlState = sqlStateOf(error)
  if (sqlState !== undefined && !AWAY_SQLSTATE.test(sqlState)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new RegisterAwayError(`the register is away: ${reason}`, { cause: error })
}
