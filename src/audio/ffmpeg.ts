/** Decodes what is not read here by the user's own `ffmpeg`, where there is one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ownGroup } from '../files/end-program.ts';
import type { DecodedBlock } from './decoder.ts';
import { wavDecoder } from './wav.ts';

/** Longer than the longest recording that is read; a longer one is refused then. */
const LONGEST_SECONDS = 100 * 3600 + 60;
/** Time without a byte after which it is stopped. */
const SILENT_MS = 60_000;
/** Characters of its words in a message. */
const MAX_WORDS = 200;

/** Where `ffmpeg` could not be started. */
export class NoFfmpegError extends Error {}

/**
 * The sound of a file, at its rate and with its channels.
 * @param format the name of ffmpeg's reader: nothing is guessed, so that no list of other files is ever followed
 * @param signal stops it
 * @param onDamage called with its first words, where it complains of a file that it decodes
 * @throws NoFfmpegError where it is not installed; Error with its words where it fails before the first sample, or is ended
 */
export async function* ffmpegBlocks(
  path: string,
  format: string,
  signal?: AbortSignal,
  onDamage?: (words: string) => void,
): AsyncGenerator<DecodedBlock> {
  const limits = ['-nostdin', '-v', 'error', '-protocol_whitelist', 'file,pipe', '-f', format];
  const input = ['-i', `file:${path}`, '-map', '0:a:0', '-vn', '-sn', '-dn', '-t', String(LONGEST_SECONDS)];
  const output = ['-c:a', 'pcm_f32le', '-f', 'wav', 'pipe:1'];
  // In a group of its own: a terminal's Ctrl-C would cut its sound short before the signal stops the reading.
  const child = spawn('ffmpeg', [...limits, ...input, ...output], {
    ...ownGroup,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill);
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(0, 2000);
  });
  const ended = once(child, 'close').catch(() => []);
  const decoder = wavDecoder(Number.POSITIVE_INFINITY);
  let stop = setTimeout(kill, SILENT_MS);
  let decodedAny = false;
  try {
    const started = await new Promise<boolean>((resolve) => {
      child.once('spawn', () => resolve(true)).once('error', () => resolve(false));
    });
    if (!started) throw new NoFfmpegError();
    for await (const bytes of child.stdout as AsyncIterable<Uint8Array>) {
      // While it waits for this program it is not stopped.
      clearTimeout(stop);
      const decoded = await decoder.decode(bytes);
      for (const block of Array.isArray(decoded) ? decoded : [decoded]) {
        if ((block.channelData[0]?.length ?? 0) === 0) continue;
        decodedAny = true;
        yield block;
      }
      stop = setTimeout(kill, SILENT_MS);
    }
    const [, endedBy] = (await ended) as [code?: number, signal?: string];
    signal?.throwIfAborted();
    const complaint = words
      .trim()
      .split('\n')[0]!
      .replaceAll(`file:${path}: `, '')
      .replace(/^\[[^\]]*\] /, '')
      .slice(0, MAX_WORDS);
    if (endedBy) throw new Error(`ended by ${endedBy}`);
    if (!decodedAny) throw new Error(complaint || 'no sound');
    if (complaint !== '') onDamage?.(complaint);
  } finally {
    clearTimeout(stop);
    signal?.removeEventListener('abort', kill);
    kill();
  }
}
