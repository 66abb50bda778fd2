/** The server as a command, with the model that comes with the package: it starts at once, hears, and ends as it is told. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import WebSocket from 'ws';
import { readAudio } from '../audio/audio-file.ts';
import type { LiveEvent } from '../live/events.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const CLIP = fileURLToPath(new URL('../../samples/gcompris/en/advanced_colors.opus', import.meta.url));
const WORDS = /required colou?r/i;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function serve(...flags: string[]) {
  const begun = performance.now();
  const child = spawn(process.execPath, [main, 'serve', '--port', '0', '--threads', '1', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let log = '';
  child.stderr.on('data', (data) => {
    log += data;
  });
  const [line] = await once(child.stdout, 'data');
  const [, models, url] = /^serving (.+) at (http:\S+)\n$/.exec(String(line))!;
  return { child, models, url: url!, log: () => log, milliseconds: performance.now() - begun };
}

async function spoken(url: string): Promise<string> {
  const body = new FormData();
  body.append('file', new Blob([readFileSync(CLIP)]), 'clip.opus');
  const response = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body });
  return ((await response.json()) as { text: string }).text;
}

test('it listens before the model is loaded, answers what was asked meanwhile, hears a stream, and ends', async () => {
  const { child, models, url, log, milliseconds } = await serve();
  expect(models).toBe('whisper-base');
  // Two seconds alone; other tests compute at the same time.
  expect(milliseconds).toBeLessThan(10_000);
  expect(await spoken(url)).toMatch(WORDS);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);

  const samples = await readAudio(CLIP);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live?from=en`);
  const events: LiveEvent[] = [];
  socket.on('message', (data) => events.push(JSON.parse(String(data))));
  await once(socket, 'open');
  socket.send(Int16Array.from(samples, (sample) => Math.max(-32_768, Math.min(32_767, sample * 32_768))));
  socket.send('{"type":"end"}');
  const [code] = await once(socket, 'close');
  expect(code).toBe(1000);
  const utterances = events.filter((event) => event.type === 'utterance');
  expect(utterances.map(({ text }) => text).join(' ')).toMatch(WORDS);
  const committed = events.flatMap((event) => (event.type === 'text' ? event.text.committed : []));
  expect(committed.join('')).toMatch(WORDS);

  const last = spoken(url);
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.kill('SIGTERM');
  expect(await last).toMatch(WORDS);
  const [exit] = await once(child, 'exit');
  expect(exit).toBe(0);
  expect(
    readdirSync(tmpdir()).filter((name) => name.startsWith(`whisper-transfer-serve-${child.pid}-`)),
  ).toEqual([]);
  for (const line of log().trim().split('\n')) {
    expect(Object.keys(JSON.parse(line)).sort()).toEqual(['audio', 'id', 'ms', 'route', 'status', 'time']);
    expect(line).not.toMatch(WORDS);
  }
});

test.each([
  [
    ['--host', '0.0.0.0'],
    /^error: --host 0\.0\.0\.0: others would reach it; expected --api-key KEY, or --no-auth/,
  ],
  [['--port', '70000'], /Expected a port from 0 to 65535/],
  [['--max-upload', 'much'], /Expected a size such as 500MB/],
  [['--cors', 'example.org'], /expected an origin such as https:\/\/app\.example/],
  [['--tls-cert', 'cert.pem'], /^error: --tls-cert: expected --tls-key with it/],
  [['--model', 'a=/x', '--model', 'a=/y'], /Found two models of the name a/],
])('serve %j is one line', (flags, message) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [main, 'serve', '--port', '0', ...flags], {
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(message);
});
