/**
 * Each change of a terminal gets a revision, whoever makes it, so that brokers can ask for what has changed; terminals with a
 * certificate only; claim codes (认领码).
 *
 * Revisions become visible in their order: a statement that writes terminals first waits for the lock of the transaction that
 * wrote them before, and PostgreSQL makes a commit visible before it gives up the locks. So whoever has seen a revision has
 * seen every smaller one, or never will. The lock is `TERMINALS_LOCK`; whoever locks rows of `terminals` takes it first.
 */
export const TERMINALS_LOCK = 7_194_226_002

export const provisioning = {
  name: '0002-provisioning',
  statements: [
    'create sequence terminal_revisions',
    `alter table terminals add column revision bigint not null default nextval('terminal_revisions')`,
    'alter table terminals alter column revision drop default',
    'alter sequence terminal_revisions owned by terminals.revision',
    'create unique index terminals_by_revision on terminals (revision)',
    'create index terminals_of_lift on terminals (lift)',
    'alter table terminals alter column secret_hash drop not null',
    `create function lock_terminals() returns trigger language plpgsql as $$
      begin
        perform pg_advisory_xact_lock(${TERMINALS_LOCK});
        return null;
      end
    $$`,
    `create function number_terminal() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' and new.serial <> old.serial then
          raise exception 'the serial of a terminal never changes' using errcode = 'restrict_violation';
        end if;
        new.revision := nextval('terminal_revisions');
        return new;
      end
    $$`,
    `create function refuse_removal() returns trigger language plpgsql as $$
      begin
        raise exception 'rows of % are never removed: set revoked_at_ms', tg_table_name using errcode = 'restrict_violation';
      end
    $$`,
    `create trigger locked before insert or update on terminals for each statement execute function lock_terminals()`,
    `create trigger numbered before insert or update on terminals for each row execute function number_terminal()`,
    `create trigger never_removed before delete or truncate on terminals
      for each statement execute function refuse_removal()`,
    // Of a code only the hash is kept; `claimed_by` is the serial that used it.
    `create table claim_codes (
      code_hash text collate "C" primary key,
      lift text collate "C" not null references lifts,
      issued_by text not null,
      issued_at_ms bigint not null,
      expires_at_ms bigint not null,
      claimed_at_ms bigint,
      claimed_by text collate "C" references terminals,
      check ((claimed_by is null) = (claimed_at_ms is null))
    )`,
    // A new code for a lift takes the place of the one that was not used, so there are never more open codes than lifts.
    'create unique index claim_codes_one_open on claim_codes (lift) where claimed_at_ms is null',
  ],
} as const
