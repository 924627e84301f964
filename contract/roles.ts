/** Who may do what. The API enforces this table and the view greys its buttons from it. */
export const ROLES = {
  administrator: { zh: '管理员', en: 'administrator', scope: 'all' },
  operator: { zh: '值班员', en: 'operations-centre operator', scope: 'all' },
  contractor: { zh: '维保单位', en: 'maintenance contractor', scope: 'contractor' },
} as const satisfies Record<string, { zh: string; en: string; scope: 'all' | 'contractor' }>
export type Role = keyof typeof ROLES
export const ROLE_NAMES = Object.keys(ROLES) as Role[]

/** Acts, and the roles that may do them. Seeing is limited by scope besides. */
const ACTS = {
  'lifts.read': ['administrator', 'operator', 'contractor'],
  'alarms.read': ['administrator', 'operator', 'contractor'],
  'alarms.acknowledge': ['administrator', 'operator', 'contractor'],
  'quarantine.read': ['administrator'],
  'terminals.read': ['administrator'],
  'terminals.write': ['administrator'],
  'audit.read': ['administrator'],
} as const satisfies Record<string, readonly Role[]>
export type Act = keyof typeof ACTS

export const mayDo = (role: Role, act: Act): boolean => (ACTS[act] as readonly Role[]).includes(role)
