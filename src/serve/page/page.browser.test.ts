/**
 * The page in a real browser, against the real server with the embedded model: a microphone that plays a file, a recording
 * that is given, a key, a server that dies. It needs Chromium, where Debian installs it or where CHROMIUM says; without one
 * the tests are skipped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../../audio/audio-file.ts';
import { joinSamples } from '../../audio/join-samples.ts';
import { SAMPLE_RATE } from '../../audio/sample-rate.ts';
import { wavBytes } from '../../audio/wav-write.ts';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);
if (!executablePath) console.warn('page.browser.test.ts is skipped: there is no Chromium');

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const KEY = 'key-of-the-test';
/** Two short sentences with a pause: "Elle est revenue au bout d'une heure. Il fait une promenade à pied tous les matins." */
const CLIPS = ['new00', 'new01'].map((name) => join(ROOT, `samples/tatoeba_fr/${name}.opus`));
const PAUSE = 0.9;
/** A machine that does other things, too. */
const SLOW = 120_000;

const folder = mkdtempSync(join(tmpdir(), 'page-'));
const recording = join(folder, 'two sentences.wav');
let browser: Browser;
let server: ChildProcess;
let url: string;

/** Starts the server, and waits until it says where it is. */
async function startServer(port: number): Promise<string> {
  const args = ['serve', '--port', String(port), '--threads', '1', '--api-key', KEY];
  server = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [said] = (await once(server.stdout!, 'data')) as [Buffer];
  return / at (\S+)/.exec(said.toString())![1]!;
}

async function stopServer(): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill('SIGKILL');
  await once(server, 'exit');
}

beforeAll(async () => {
  if (!executablePath) return;
  const sounds = await Promise.all(CLIPS.map((clip) => readAudio(clip)));
  const silence = new Float32Array(PAUSE * SAMPLE_RATE);
  writeFileSync(recording, wavBytes(joinSamples([...sounds.flatMap((sound) => [silence, sound]), silence])));
  const microphone = `--use-file-for-fake-audio-capture=${recording}%noloop`;
  const fake = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', microphone];
  [browser, url] = await Promise.all([
    chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', ...fake],
    }),
    startServer(0),
  ]);
}, SLOW);

afterAll(async () => {
  if (!executablePath) return;
  await browser.close();
  await stopServer();
  rmSync(folder, { recursive: true });
});

/** What the pages of a test did that they should not. */
const wrong: string[] = [];
const contexts: BrowserContext[] = [];
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
  expect(wrong.splice(0)).toEqual([]);
});

async function open(
  options: Parameters<Browser['newContext']>[0] = {},
  key: string | null = KEY,
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options });
  contexts.push(context);
  const page = await context.newPage();
  page.on('pageerror', (error) => wrong.push(error.message));
  // Where the server refuses or is gone, Chromium itself says so.
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(text))
      wrong.push(text);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('blob:')) wrong.push(request.url());
  });
  if (key !== null) await page.addInitScript(`sessionStorage.setItem('whisper-transfer-key', '${key}')`);
  await page.goto(url);
  if (key !== null) await page.locator('#speak:enabled').waitFor();
  return page;
}

/** Violations of rules of accessibility, as the page is now. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 160)).join(' ')))`,
  );
}

const state = (page: Page, name: string) =>
  page.locator(`body[data-state=${name}]`).waitFor({ timeout: SLOW });
const rowTexts = async (page: Page, side: string): Promise<string> =>
  (await page.locator(`.cell[data-side=${side}]`).allInnerTexts()).join(' ');
/** Tab, until what has the focus is it. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
  }
  throw new Error(`no way by keyboard to ${selector}`);
}
const hasRoom = (page: Page) =>
  page.evaluate<boolean>('document.documentElement.scrollWidth <= document.documentElement.clientWidth');

test.skipIf(!executablePath)(
  'idle: what it does in one sentence, no violations of accessibility in both schemes, room on a phone',
  async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open({ colorScheme, viewport: { width: 360, height: 740 } });
      expect(await page.locator('#promise').innerText()).toMatch(
        /99 languages.*into English.*Nothing leaves this machine\./,
      );
      expect(await violations(page)).toEqual([]);
      expect(await hasRoom(page)).toBe(true);
    }
  },
  SLOW,
);

test.skipIf(!executablePath)(
  'a key is asked for, a wrong one again, and the right one is kept for the tab only',
  async () => {
    const page = await open({}, null);
    await page.locator('dialog[open]').waitFor();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.type('wrong-key');
    await page.keyboard.press('Enter');
    await page.getByText('That is not the key').waitFor();
    await page.keyboard.type(KEY);
    await page.keyboard.press('Enter');
    await page.locator('#speak:enabled').waitFor();
    expect(await page.locator('#from option').count()).toBe(100);
    expect(await page.evaluate(`JSON.stringify(localStorage)`)).not.toContain(KEY);
    await page.reload();
    await page.locator('#speak:enabled').waitFor();
    expect(await page.locator('dialog[open]').count()).toBe(0);
  },
  SLOW,
);

test.skipIf(!executablePath)(
  'a recording: both texts, words lit as it plays, and files in four formats, by keyboard alone',
  async () => {
    const page = await open({ viewport: { width: 360, height: 740 } });
    await page.locator('#from').selectOption('fr');
    const chosen = page.waitForEvent('filechooser');
    await tabTo(page, '#choose');
    await page.keyboard.press('Enter');
    await (await chosen).setFiles(recording);
    await state(page, 'done');
    const original = await rowTexts(page, 'original');
    const translation = await rowTexts(page, 'translation');
    expect(original).toMatch(/heure/);
    expect(translation).toMatch(/came back/);
    expect(await page.locator('#figures').innerText()).toMatch(/0:07 of sound.*×\s*real time/s);
    expect(await violations(page)).toEqual([]);
    expect(await hasRoom(page)).toBe(true);

    // A click on a word plays from there, and it is lit.
    const word = page.locator('.cell[data-side=original] [data-start]').nth(2);
    await word.click();
    await page.locator('.player.playing').waitFor();
    await page.locator('.words .now').first().waitFor();
    const [time, start] = await page.evaluate<[number, number]>(
      `[document.querySelector('#sound').currentTime, Number(document.querySelectorAll('.cell[data-side=original] [data-start]')[2].dataset.start)]`,
    );
    expect(time).toBeGreaterThanOrEqual(start - 0.01);
    await page.locator('#play').click();
    // So does the time of its row; arrows go on word by word.
    await page.locator('button.at').first().focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowRight');
    await page.locator('.words .now').first().waitFor();

    const saved = async (format: string): Promise<string> => {
      const download = page.waitForEvent('download');
      await page.locator(`[data-save=${format}][data-side=translation]`).focus();
      await page.keyboard.press('Enter');
      const file = await download;
      expect(file.suggestedFilename()).toBe(`two sentences.en.${format}`);
      return readFileSync(await file.path(), 'utf8');
    };
    expect(await saved('srt')).toMatch(/^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n.*came back/);
    expect(await saved('vtt')).toMatch(/^WEBVTT\n\n00:0\d\.\d{3} --> /);
    expect((await saved('txt')).replace(/\s+/g, ' ').trim()).toBe(translation.replace(/\s+/g, ' ').trim());
    const json = JSON.parse(await saved('json')) as {
      segments: { words: { text: string }[]; text: string }[];
    };
    for (const { words, text } of json.segments) expect(words.map((one) => one.text).join('')).toBe(text);
  },
  SLOW,
);

test.skipIf(!executablePath)(
  'a microphone: text comes while one speaks, only what is committed is read aloud, and the sound can be heard again',
  async () => {
    const page = await open();
    await page.locator('#from').selectOption('fr');
    await tabTo(page, '#speak');
    await page.keyboard.press('Enter');
    await state(page, 'recording');
    expect(await page.locator('#from').isDisabled()).toBe(true);
    // Before the end of the sound.
    await page
      .locator('.cell[data-side=translation]', { hasText: /[a-z]{2}/i })
      .first()
      .waitFor({ timeout: SLOW });
    expect(await page.locator('body').getAttribute('data-state')).toBe('recording');
    expect(await violations(page)).toEqual([]);
    await page.getByText('behind').waitFor({ timeout: SLOW });
    // Both sentences have been said, and their ends were heard.
    await expect.poll(() => page.locator('.row').count(), { timeout: SLOW }).toBeGreaterThanOrEqual(2);
    await page.waitForTimeout(2500);
    await page.keyboard.press('Enter');
    await state(page, 'done');
    const translation = await rowTexts(page, 'translation');
    expect(await rowTexts(page, 'original')).toMatch(/heure/);
    expect(translation).toMatch(/morning/);
    const read = (await page.locator('#announcer p').allInnerTexts()).join(' ');
    expect(read).not.toBe('');
    expect(translation.replace(/\s+/g, ' ')).toContain(read.replace(/\s+/g, ' ').trim().slice(0, 20));
    expect(await page.locator('.tentative').count()).toBe(0);
    await page.locator('button.at').first().click();
    await page.locator('.player.playing').waitFor();
    expect(await violations(page)).toEqual([]);

    // Nobody else has what was spoken: it is not replaced unasked.
    const asked = page.waitForEvent('dialog').then(async (dialog) => {
      await dialog.dismiss();
      return dialog.message();
    });
    await page.locator('#speak').click();
    expect(await asked).toContain('was not saved');
    expect(await page.locator('body').getAttribute('data-state')).toBe('done');
    expect(await rowTexts(page, 'translation')).toBe(translation);
  },
  2 * SLOW,
);

test.skipIf(!executablePath)(
  'what cannot be read is told in plain words, and so is a microphone that is refused',
  async () => {
    const page = await open();
    await page
      .locator('#file')
      .setInputFiles({ name: 'notes.wav', mimeType: 'audio/wav', buffer: Buffer.from('no sound') });
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/^notes\.wav cannot be read: found text/);
    expect(await violations(page)).toEqual([]);
    await page.evaluate(
      `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))`,
    );
    await page.locator('#speak').click();
    await page.getByText('does not let this page hear the microphone').waitFor();
    expect(await page.locator('body').getAttribute('data-state')).toBe('idle');
  },
  SLOW,
);

test.skipIf(!executablePath)(
  'a server that dies while one speaks: it is said, what is written stays, and it goes on when the server is back',
  async () => {
    const page = await open();
    await page.locator('#from').selectOption('fr');
    await page.locator('#speak').click();
    await page
      .locator('.cell[data-side=translation]', { hasText: /[a-z]{2}/i })
      .first()
      .waitFor({ timeout: SLOW });
    await stopServer();
    await page.getByText('does not answer').waitFor({ timeout: SLOW });
    expect(await page.locator('.row').count()).toBeGreaterThan(0);
    await startServer(Number(new URL(url).port));
    await page.getByRole('alert').waitFor({ state: 'hidden', timeout: SLOW });
    await page.locator('#speak').click();
    await state(page, 'done');
    expect(await page.locator('.row').count()).toBeGreaterThan(0);
  },
  2 * SLOW,
);
