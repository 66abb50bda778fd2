/**
 * Recordings play at a click, whole and in stretches, in a real browser that is offline. It needs Chromium, where Debian
 * installs it or where CHROMIUM says; without one the test is skipped.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { embeddedSamples } from '../../cli/embedded.ts';
import { readManifest } from '../../data/manifest.ts';
import { htmlPage } from '../../report/page.ts';
import type { ParallelClip } from '../../retrieval/parallel-clips.ts';
import { Players, playScript, playStyle } from './players.ts';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);
if (!executablePath) console.warn('players.browser.test.ts is skipped: there is no Chromium');

interface Noted {
  readonly what: 'playing' | 'pause';
  readonly id: string;
  readonly time: number;
}

/** What this test reads of a page: the project's code otherwise knows no browser. */
interface View {
  noted: Noted[];
  readonly document: {
    readonly querySelectorAll: (selector: string) => Iterable<{
      readonly id: string;
      readonly currentTime: number;
      readonly addEventListener: (event: string, listener: () => void) => void;
    }>;
  };
}

const folder = mkdtempSync(join(tmpdir(), 'players-'));
let browser: Browser | undefined;
beforeAll(async () => {
  if (executablePath) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

test.skipIf(!executablePath)(
  'a click plays a recording, or one stretch after another, and asks the network for nothing',
  async () => {
    const clips = (await readManifest(join(embeddedSamples, 'manifest.tsv'))).filter(
      ({ set, language }) => set === 'intro' && language === 'ca',
    );
    const players = new Players();
    const [first, second] = clips.map((clip) => ({ clip }) as ParallelClip);
    const stretches = `${players.id(first!)}@1.00-1.50 ${players.id(second!)}@0.50-1.00`;
    const content = `${players.button(first!)}<svg width="20" height="20"><rect id="match" class="play" data-play="${stretches}" width="20" height="20"/></svg>${await players.html()}`;
    const file = join(folder, 'page.html');
    writeFileSync(file, htmlPage('Recordings', playStyle, content, playScript));

    const page = await browser!.newPage();
    const asked: string[] = [];
    const wrong: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => wrong.push(error.message));
    page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
    await page.goto(pathToFileURL(file).href);
    // The page itself notes what plays, from when on: nothing is missed on a busy machine.
    await page.evaluate(() => {
      const noted: Noted[] = [];
      const view = globalThis as unknown as View;
      view.noted = noted;
      for (const audio of view.document.querySelectorAll('audio')) {
        for (const what of ['playing', 'pause'] as const) {
          audio.addEventListener(what, () => noted.push({ what, id: audio.id, time: audio.currentTime }));
        }
      }
    });
    const noted = () => page.evaluate(() => (globalThis as unknown as View).noted);
    const events = async () => (await noted()).map(({ what, id }) => `${what} ${id}`);
    const poll = { timeout: 20_000, interval: 50 };
    await page.click('button.play');
    await expect.poll(events, poll).toEqual(['playing clip-0']);
    await page.click('#match');
    const all = [
      'playing clip-0',
      'pause clip-0',
      'playing clip-0',
      'pause clip-0',
      'playing clip-1',
      'pause clip-1',
    ];
    await expect.poll(events, poll).toEqual(all);
    const times = (await noted()).map(({ time }) => time);
    // The stretches begin where they should; they end after half a second, or later where the machine is busy.
    expect(times[2]).toBeCloseTo(1, 0);
    expect(times[3]).toBeGreaterThan(1.2);
    expect(times[4]).toBeCloseTo(0.5, 0);
    expect(times[5]).toBeGreaterThan(0.7);
    expect(wrong).toEqual([]);
    expect(asked.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
  },
  90_000,
);
