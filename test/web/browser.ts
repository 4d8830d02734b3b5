// The browser of the page's tests: one headless Chromium per file, one clean profile per page. Where the machine has
// none, the tests are skipped and say so. A page that logs an error or breaks its content policy fails its test.
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { WAIT_MS } from '../waiting.ts';

const CANDIDATES = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'];

/** Path of a Chromium, or null. */
export const chromiumPath = CANDIDATES.find((path) => path !== undefined && existsSync(path)) ?? null;

/** For the title of a suite that needs a browser. */
export const browserNote = chromiumPath ? '' : ' (skipped: no Chromium found; set CHROMIUM_PATH)';

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath ?? '',
    args: [
      ...[
        '--no-sandbox',
        '--headless',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-sync',
        // A turn of the wheel has its whole effect at once.
        '--disable-smooth-scrolling',
      ],
      ...['--disable-background-networking', '--disable-component-update'],
    ],
  });
}

/** What the browser itself says of a connection a test cut or an error a test provoked. */
const EXPECTED = /Failed to load resource/;

export interface WatchedPage extends Page {
  readonly defects: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const defects: string[] = [];
  page.on('pageerror', (error) => defects.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) defects.push(message.text());
  });
  await page.goto(url);
  return Object.assign(page, { defects });
}
