/** Builds the view when it has never been built, or when a source is newer: `npm start` must never show yesterday's screen. */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')
const SOURCES = [
  'contract',
  'dashboards/view/src',
  'dashboards/view/public',
  'dashboards/view/index.html',
  'dashboards/view/vite.config.ts',
  'package-lock.json',
]

const newestMs = (path) => {
  const entry = statSync(path)
  return entry.isDirectory()
    ? Math.max(entry.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))))
    : entry.mtimeMs
}

function isStale() {
  try {
    const builtMs = statSync(join(root, 'dashboards/view/dist/index.html')).mtimeMs
    return SOURCES.some((source) => newestMs(join(root, source)) > builtMs)
  } catch {
    return true
  }
}

if (isStale()) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build:view'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exitCode = status ?? 1
}
