/** The first start of an empty register makes the first people, with passwords of its own: there is no default password. */
import { open, rename, rm } from 'node:fs/promises'
import type { OrganisationId, UserId } from '#contract/ids'
import type { User } from '#contract/register'
import type { Register } from '#storage/register/register'
import { hashPassword, newPassword } from '#storage/register/secrets'

export type SignIn = { readonly username: string; readonly password: string; readonly role: User['role'] }

/**
 * Makes an administrator, an operator and one person per contractor when the register has no people. Returns those made at
 * this start (empty at every later one) and the file, mode 0600, that keeps their passwords; `reset-password.ts` replaces one.
 */
export async function ensureSignIns({
  register,
  path,
}: {
  register: Pick<Register, 'users' | 'organisations'>
  path: string
}): Promise<{
  readonly created: readonly SignIn[]
  readonly path: string
}> {
  if ((await register.users.count()) > 0) return { created: [], path }
  const organisations = await register.organisations.all()
  const centre = organisations.find(({ kind }) => kind === 'operations-centre')
  if (centre === undefined) await register.organisations.put([OPERATIONS_CENTRE])
  const home = centre?.id ?? OPERATIONS_CENTRE.id
  const people: User[] = [
    person('admin', '管理员', 'administrator', home),
    person('operator', '值班员', 'operator', home),
    ...organisations
      .filter(({ kind }) => kind === 'contractor')
      .slice(0, 20)
      .map(({ id, name }) => person(id, `${name} 值班`, 'contractor', id)),
  ]
  const made = people.map((user) => ({ user, password: newPassword() }))
  const rows = await Promise.all(
    made.map(async ({ user, password }) => ({ ...user, passwordHash: await hashPassword(password) })),
  )
  const created = made.map(({ user, password }) => ({ username: user.username, password, role: user.role }))
  await writeSignIns(path, created) // first the file: a password that nobody can read would lock everybody out
  await register.users.put(rows)
  return { created, path }
}

const OPERATIONS_CENTRE = {
  id: 'ops' as OrganisationId,
  name: '城运中心',
  kind: 'operations-centre',
  phone: null,
} as const

const person = (username: string, name: string, role: User['role'], organisation: OrganisationId): User => ({
  id: username as UserId, // made here, in the shape of its schema
  username,
  name,
  role,
  organisation,
})

/** Written beside the file and renamed: nobody ever reads half of it, nor with wider rights than its owner's. */
async function writeSignIns(path: string, signIns: readonly SignIn[]): Promise<void> {
  const beside = `${path}.${process.pid}.new`
  await rm(beside, { force: true })
  const file = await open(beside, 'wx', 0o600)
  try {
    await file.writeFile(
      '# 首次登录口令。重设：npm run reset-password -- 用户名 · First-run sign-ins. To reset one: npm run reset-password -- NAME\n' +
        signIns.map(({ username, password, role }) => `${username}\t${password}\t${role}\n`).join(''),
    )
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
}
