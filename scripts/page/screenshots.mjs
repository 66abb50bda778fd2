// Takes the screenshots of the page at `/` in docs/figures, of the real server in Chromium with a microphone that plays samples:
//   npm run build && node scripts/page/screenshots.mjs [--model DIRECTORY] [--from fr] [--out docs/figures] [--only idle,dark]
// A model that was tuned shows its own language: `npm run demo` leaves one in out/demo/model.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { wavBytes } from '../../dist/audio/wav-write.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: join(ROOT, 'models/whisper-base-int8') },
    from: { type: 'string', default: 'fr' },
    out: { type: 'string', default: join(ROOT, 'docs/figures') },
    clips: { type: 'string', default: '14' },
    threads: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => path && existsSync(path));
if (!executablePath) throw new Error('there is no Chromium: set CHROMIUM to one');

// Sentences with pauses between them, as one speaks.
const rows = readFileSync(join(ROOT, 'samples/manifest.tsv'), 'utf8').split('\n').map((line) => line.split('\t'));
const column = (/** @type {string} */ name) => rows[0].indexOf(name);
const clips = rows.filter((row) => row[0].startsWith(`tatoeba_${values.from}/`) && Number(row[column('duration_s')]) > 1.5).slice(0, Number(values.clips));
const parts = [];
for (const clip of clips) parts.push(await readAudio(join(ROOT, 'samples', clip[column('audio')])), new Float32Array(14_400));
const folder = mkdtempSync(join(tmpdir(), 'screenshots-'));
const sound = join(folder, 'sentences.wav');
writeFileSync(sound, wavBytes(joinSamples(parts)));

const server = spawn(
  process.execPath,
  [join(ROOT, 'dist/cli/main.js'), 'serve', '--port', '0', '--threads', values.threads, '--model', values.model],
  { stdio: ['ignore', 'pipe', 'ignore'] },
);
const [said] = await once(server.stdout, 'data');
const url = / at (\S+)/.exec(said.toString())[1];
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--autoplay-policy=no-user-gesture-required',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--use-file-for-fake-audio-capture=${sound}%noloop`,
  ],
});
mkdirSync(values.out, { recursive: true });

/** @param {string} name @param {import('playwright-core').BrowserContextOptions} options @param {(page: import('playwright-core').Page) => Promise<void>} act */
async function shot(name, options, act) {
  if (values.only !== undefined && !values.only.split(',').includes(name)) return;
  const context = await browser.newContext({ viewport: { width: 1120, height: 720 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(300_000);
  await page.goto(url);
  await page.locator('#speak:enabled').waitFor();
  await page.locator('#from').selectOption(values.from);
  await act(page);
  await page.screenshot({ path: join(values.out, `page-${name}.png`) });
  await context.close();
  console.log(`page-${name}.png`);
}
/** @param {import('playwright-core').Page} page */
async function read(page) {
  await page.locator('#file').setInputFiles(sound);
  await page.locator('body[data-state=done]').waitFor();
  const words = '.cell .words [data-start]';
  await page.evaluate(`document.querySelector('#sound').currentTime = 0.02 + Number(document.querySelectorAll('${words}')[9].dataset.start)`);
  await page.locator('.words .now').first().waitFor();
}
/** @param {import('playwright-core').Page} page @param {number} rows */
async function speak(page, rows) {
  await page.locator('#speak').click();
  await page.locator('.row').nth(rows - 1).waitFor();
  // On a machine that is too slow, text comes when a sentence has ended.
  await page.locator('.tentative:not(:empty)').last().waitFor({ timeout: 8000 }).catch(() => {});
}
const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 1.5, hasTouch: true };

try {
  await shot('idle', {}, async () => {});
  await shot('recording', {}, (page) => speak(page, 4));
  await shot('dark', { colorScheme: 'dark' }, read);
  await shot('long', {}, async (page) => {
    await read(page);
    await page.locator('.row').last().scrollIntoViewIfNeeded();
  });
  await shot('phone', phone, (page) => speak(page, 3));
  await shot('error', {}, async (page) => {
    await page.evaluate(`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))`);
    await page.locator('#speak').click();
    await page.getByRole('alert').waitFor();
  });
} finally {
  await browser.close();
  server.kill();
  rmSync(folder, { recursive: true });
}
