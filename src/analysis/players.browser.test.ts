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
import { embeddedSamples } from '../cli/embedded.ts';
import { htmlPage } from '../report/page.ts';
import { readManifest } from '../speech/manifest.ts';
import type { HeardClip } from './languages.ts';
import { Players, playScript, playStyle } from './players.ts';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);
if (!executablePath) console.warn('players.browser.test.ts is skipped: there is no Chromium');

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
    const [first, second] = clips.map((clip) => ({ clip }) as HeardClip);
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
    // As text: this project's code knows no browser.
    const becomes = (condition: string) =>
      page.waitForFunction(
        `(() => { const audio = (id) => document.getElementById(id); return ${condition}; })()`,
        undefined,
        { timeout: 20_000 },
      );
    const plays = (id: string, from: number, to: number) => {
      const audio = `audio('${id}')`;
      return becomes(`!${audio}.paused && ${audio}.currentTime > ${from} && ${audio}.currentTime < ${to}`);
    };
    await page.click('button.play');
    await plays('clip-0', 0.2, 1);
    await page.click('#match');
    await plays('clip-0', 1, 2);
    await plays('clip-1', 0.5, 1.5);
    // The stretch before stops where the next begins, and the last one at its end.
    await becomes("['clip-0', 'clip-1'].every((id) => audio(id).paused && audio(id).currentTime > 0)");
    const ends = (await page.evaluate(
      "[...document.querySelectorAll('audio')].map(({ currentTime }) => currentTime)",
    )) as number[];
    expect(ends[0]).toBeLessThan(2.5);
    expect(ends[1]).toBeLessThan(2);
    expect(wrong).toEqual([]);
    expect(asked.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
  },
  90_000,
);
