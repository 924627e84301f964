/**
 * Hours whose figures are to be computed (again). Refers to `lifts`: unlike what machines report, a mark of a lift that is
 * gone is of no use to anybody, and whoever marks leaves out what is not registered.
 *
 * `mark` is drawn anew each time, so that a mark that came while an hour was computed is never cleared with the older one.
 * Rows are rewritten often and stay on their page, because no index has `marked_at` or `mark` in it.
 */
export const staleHours = {
  name: '0004-stale-hours',
  statements: [
    `create table stale_hours (
      lift text collate "C" not null references lifts on delete cascade,
      hour_at_ms bigint not null,
      marked_at timestamptz not null,
      mark bigint not null,
      primary key (lift, hour_at_ms)
    ) with (fillfactor = 70)`,
    'create index stale_hours_oldest_first on stale_hours (hour_at_ms, lift)',
    'create sequence stale_hour_marks owned by stale_hours.mark',
  ],
} as const
