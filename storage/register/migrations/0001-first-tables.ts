/**
 * Lifts, terminals, people, alarms, live states, quarantine and audit. Instants are Unix ms in `bigint`. Ids are compared by
 * their bytes (`collate "C"`), so that every database sorts them alike.
 *
 * What machines report (`alarms`, `live_states`, `quarantine`) refers to no other table: a row about a lift must never be
 * refused because something else is missing.
 */
export const firstTables = {
  name: '0001-first-tables',
  statements: [
    `create table organisations (
      id text collate "C" primary key,
      name text not null,
      kind text not null,
      phone text
    )`,
    `create table lifts (
      id text collate "C" primary key,
      name text not null,
      compound text not null,
      building text not null,
      unit text not null,
      town text not null,
      registration_code text not null,
      rescue_code text not null,
      landings jsonb not null,
      entry text not null,
      rated_load_kg integer not null,
      rated_speed_mps double precision not null,
      longitude double precision not null,
      latitude double precision not null,
      contractor text collate "C" references organisations,
      simulated boolean not null
    )`,
    'create index lifts_by_contractor on lifts (contractor)',
    `create table terminals (
      serial text collate "C" primary key,
      lift text collate "C" references lifts,
      bound_at_ms bigint not null,
      revoked_at_ms bigint,
      secret_hash text not null
    )`,
    `create table users (
      id text collate "C" primary key,
      username text collate "C" not null unique,
      name text not null,
      role text not null,
      organisation text collate "C" not null references organisations,
      password_hash text not null
    )`,
    `create table sessions (
      token_hash text collate "C" primary key,
      user_id text collate "C" not null references users on delete cascade,
      opened_at_ms bigint not null,
      expires_at_ms bigint not null,
      used_at_ms bigint not null
    )`,
    `create table alarms (
      id text collate "C" primary key,
      lift text collate "C" not null,
      kind text not null,
      priority integer not null,
      state text not null,
      certainty text not null,
      onset_at_ms bigint not null,
      raised_at_ms bigint not null,
      returned_at_ms bigint,
      acknowledged_at_ms bigint,
      acknowledged_by text,
      closed_at_ms bigint,
      raise_count integer not null,
      summary jsonb not null,
      contractor text collate "C",
      check ((state = 'closed') = (closed_at_ms is not null))
    )`,
    `create unique index alarms_one_open on alarms (lift, kind) where state <> 'closed'`,
    'create index alarms_newest_first on alarms (raised_at_ms desc, id desc)',
    'create index alarms_of_lift on alarms (lift, raised_at_ms desc, id desc)',
    'create index alarms_of_contractor on alarms (contractor, raised_at_ms desc, id desc)',
    `create table occurrences (
      alarm text collate "C" not null references alarms,
      number integer not null,
      event text not null,
      at_ms bigint not null,
      by text,
      note text,
      trace jsonb,
      condition text collate "C",
      primary key (alarm, number)
    )`,
    `create unique index occurrences_one_raise on occurrences (condition) where event = 'raise'`,
    `create table live_states (
      lift text collate "C" primary key,
      state jsonb not null,
      memory jsonb not null
    )`,
    `create table checkpoints (
      name text primary key,
      position bigint not null
    )`,
    // Another journal counts anew, so the position alone does not name a message for ever.
    `create table quarantine (
      position bigint not null,
      received_at_ms bigint not null,
      terminal text collate "C",
      topic text not null,
      reason text not null,
      detail text not null,
      payload text not null,
      primary key (received_at_ms, position)
    )`,
    `create table audit (
      id bigint generated always as identity primary key,
      at_ms bigint not null,
      by text not null,
      act text not null,
      subject text not null,
      detail text not null
    )`,
    `create function refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception 'rows of % are only ever added', tg_table_name using errcode = 'restrict_violation';
      end
    $$`,
    `create trigger only_added before update or delete or truncate on occurrences
      for each statement execute function refuse_change()`,
    `create trigger only_added before update or delete or truncate on audit
      for each statement execute function refuse_change()`,
  ],
} as const
