import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'

const CHROMIUM_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/chrome']
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=user-gesture-required',
]

export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser
  /** A page of a person of its own: own cookies, zh-CN, Asia/Shanghai. */
  newPage(o?: { width?: number; height?: number }): Promise<{ page: Page; context: BrowserContext }>
}

/** The browser named by CHROME_PATH, or the one that Debian installs. */
export function chromiumPath(): string {
  const path = [process.env['CHROME_PATH'], ...CHROMIUM_PATHS].find(
    (one) => one !== undefined && one !== '' && existsSync(one),
  )
  if (path === undefined)
    throw new Error(
      'No Chromium found: install the Debian packages `chromium` and `fonts-noto-cjk`, or set CHROME_PATH to a Chromium or Chrome',
    )
  return path
}

function checkFonts(): void {
  let families: string
  try {
    families = execFileSync('fc-list', [':lang=zh', 'family'], { encoding: 'utf8', timeout: 10_000 })
  } catch {
    return // Without fontconfig the fonts of the system cannot be asked for.
  }
  if (families.trim() === '') throw new Error('No Chinese font found: install the Debian package `fonts-noto-cjk`')
}

/** Starts a real Chromium with a folder of its own; closed and removed when it is disposed of. */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = chromiumPath()
  checkFonts()
  const home = await mkdtemp(join(tmpdir(), 'tiwang-browser-'))
  const browser = await chromium.launch({
    executablePath,
    args: FLAGS,
    headless: true,
    timeout: 30_000,
    env: { ...process.env, HOME: home },
  })
  return {
    browser,
    async newPage({ width = 1920, height = 1080 } = {}) {
      const context = await browser.newContext({
        viewport: { width, height },
        locale: 'zh-CN',
        timezoneId: 'Asia/Shanghai',
      })
      return { context, page: await context.newPage() }
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}
