/** The yardstick: the same rows in SQLite, through Debian's `sqlite3`. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { HOUR_MS } from '#contract/calendar'
import { HOUR_FIELDS } from '#contract/figures'
import { MEASUREMENTS } from '#contract/history'
import { tempFolder } from '../servers/temp-folder.ts'
import { cpuSeconds } from './child-process.ts'
import { BUCKET_MS, bytesOf, type Contender } from './telemetry-contenders.ts'
import { FROM_MS, liftOfTown, toMsOf, type Town } from './telemetry-town.ts'

const DAY_MS = 24 * HOUR_MS
const DONE = 'all is answered'
const ANSWER_MS_MAX = 120_000
const TYPES = { integer: 'INTEGER', number: 'REAL', boolean: 'INTEGER', string: 'TEXT' } as const
const HEADER = ['lift', 'sampledAtMs', 'boot', 'seq', 'receivedAtMs'] as const
const FIELDS = Object.entries(MEASUREMENTS.status).filter(([name]) => !HEADER.some((own) => own === name))
const HOURS = Object.entries(HOUR_FIELDS)

const SCHEMA = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -524288;
CREATE TABLE lift (lift TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE status (lift TEXT, sampledAtMs INTEGER, boot INTEGER, seq INTEGER, receivedAtMs INTEGER,
  ${FIELDS.map(([name, type]) => `${name} ${TYPES[type]}`).join(', ')},
  PRIMARY KEY (lift, sampledAtMs, boot, seq)) WITHOUT ROWID;
CREATE TABLE hour (lift TEXT, hourAtMs INTEGER, ${HOURS.map(([name, type]) => `${name} ${TYPES[type]}`).join(', ')},
  PRIMARY KEY (lift, hourAtMs)) WITHOUT ROWID;
CREATE INDEX hour_of_all ON hour (hourAtMs, runCount);`

export async function startSqlite(town: Town): Promise<Contender> {
  const folder = await tempFolder('bench-sqlite')
  const csv = join(folder.path, 'batch.csv')
  const shell = startShell(join(folder.path, 'telemetry.sqlite'))
  await shell.ask(SCHEMA)
  const lifts = Array.from({ length: town.liftCount }, (_, index) => `('${liftOfTown(index)}')`)
  await shell.ask(`INSERT INTO lift VALUES ${lifts.join(', ')};`)
  const take = async (table: string, lines: readonly string[]): Promise<void> => {
    await writeFile(csv, `${lines.join('\n')}\n`)
    await shell.ask(`.import --csv ${csv} ${table}`)
  }
  return {
    name: 'sqlite',
    append: (points) =>
      take(
        'status',
        points.map((point) =>
          [...HEADER.map((name) => point[name]), ...FIELDS.map(([name]) => toCell(point.fields[name]))].join(','),
        ),
      ),
    putFigures: (rows) =>
      take(
        'hour',
        rows.map((row) =>
          [row.lift, row.hourAtMs, ...HOURS.map(([name]) => toCell(row[name as keyof typeof row]))].join(','),
        ),
      ),
    async bytes() {
      await shell.ask('PRAGMA wal_checkpoint(TRUNCATE);')
      await writeFile(csv, '')
      return bytesOf(folder.path)
    },
    cpuSeconds: () => cpuSeconds(shell.pid),
    async ask(question, liftNumber, day) {
      const fromMs = FROM_MS + day * DAY_MS
      const lift = liftOfTown(liftNumber)
      const toMs = toMsOf(town)
      const statements = {
        last: `SELECT l.lift, (SELECT positionMm FROM status s WHERE s.lift = l.lift AND s.sampledAtMs < ${toMs} ORDER BY s.sampledAtMs DESC LIMIT 1) FROM lift l`,
        day: `SELECT sampledAtMs / ${BUCKET_MS}, min(speedMps), max(speedMps), avg(speedMps), count(*) FROM status WHERE lift = '${lift}' AND sampledAtMs >= ${fromMs} AND sampledAtMs < ${fromMs + DAY_MS} GROUP BY 1`,
        runs: `SELECT (hourAtMs + ${8 * HOUR_MS}) / ${DAY_MS}, sum(runCount) FROM hour WHERE lift = '${lift}' AND hourAtMs >= ${FROM_MS} AND hourAtMs < ${toMs} GROUP BY 1`,
        fleet: `SELECT hourAtMs, sum(runCount), count(runCount) FROM hour WHERE hourAtMs >= ${fromMs} AND hourAtMs < ${fromMs + DAY_MS} GROUP BY 1`,
      }
      return (await shell.ask(`${statements[question]};`)).length
    },
    async [Symbol.asyncDispose]() {
      await shell[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

const toCell = (value: string | number | boolean | undefined): string =>
  value === undefined ? '' : String(typeof value === 'boolean' ? Number(value) : value)

/** One shell that is asked and answers, line by line. */
function startShell(path: string) {
  const child = spawn('sqlite3', ['-batch', path], { stdio: ['pipe', 'pipe', 'pipe'] })
  const { pid } = child
  if (pid === undefined) throw new Error('sqlite3 does not start: apt-get install sqlite3')
  let lines: string[] = []
  let said = ''
  let onDone: () => void = () => {}
  child.stderr.on('data', (data: Buffer) => (said = `${said}${data.toString()}`.slice(-2_000)))
  createInterface({ input: child.stdout }).on('line', (line) => (line === DONE ? onDone() : lines.push(line)))
  return {
    pid,
    async ask(statements: string): Promise<string[]> {
      lines = []
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`sqlite3 gave no answer: ${said}`)), ANSWER_MS_MAX)
        onDone = () => (clearTimeout(timer), resolve())
        child.stdin.write(`${statements}\n.print '${DONE}'\n`)
      })
      if (said !== '') throw new Error(`sqlite3: ${said}`)
      return lines
    },
    async [Symbol.asyncDispose]() {
      const exited = new Promise((resolve) => child.once('exit', resolve))
      child.stdin.end()
      await exited
    },
  }
}
