/** Leases of the shares of the journal: which ingest worker works which share. Refers to no other table. */
export const shares = {
  name: '0003-shares',
  statements: [
    `create table workers (
      worker text collate "C" primary key,
      beat bigint not null
    )`,
    `create table shares (
      share integer primary key,
      worker text collate "C",
      epoch bigint not null
    )`,
  ],
} as const
