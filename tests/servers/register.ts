import { silentLog } from '#contract/log-events'
import { openRegister, type Register } from '#storage/register/register'

/** A fresh register in memory, with its tables and no rows. */
export const memoryRegister = (): Promise<Register> => openRegister('pglite:memory', { log: silentLog })
