/** What a failed call of the disk says. */
import { constants } from 'node:os'

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The disk, or what this user may have of it, is used up. For the latter Node knows the number and no name. */
export function isNoSpace(error: unknown): boolean {
  if (!(error instanceof Error && 'errno' in error)) return false
  return error.errno === -constants.errno.ENOSPC || error.errno === -constants.errno.EDQUOT
}

export const errorOf = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))
