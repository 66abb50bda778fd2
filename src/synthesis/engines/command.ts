/** The user's own command as an engine: Piper, a system's voices, a script. It gets the text and gives a sound file. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readAudio } from '../../audio/audio-file.ts';
import { readAudioSource } from '../../audio/audio-source.ts';
import { SAMPLE_RATE } from '../../audio/sample-rate.ts';
import { UserError } from '../../errors.ts';
import { endProgram, ownGroup } from '../../files/end-program.ts';
import { exists } from '../../files/read.ts';
import { withoutControls } from '../../report/escape.ts';
import type { EngineKind, SpeechEngine } from './engine.ts';

type OnProgram = Parameters<EngineKind['open']>[2];

/** Longest time of a sentence: below the thread's own, which would leave the process behind. */
const SENTENCE_MS = 55_000;
/** Of an error's text: the end, where the reason stands. */
const ERROR_CHARACTERS = 200;
const MAX_OUTPUT_BYTES = 64e6;

export const command: EngineKind = {
  name: 'command',
  license: 'your own',
  package: undefined,
  open: openCommand,
};

/**
 * The words of a command line: blanks separate them, quotes join, a backslash takes a character as it is. No shell reads
 * them: `$`, `;`, `|` and `*` are text.
 * @throws UserError for a quote that is not closed
 */
export function commandWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === '\\' && quote !== "'" && i + 1 < line.length) word = (word ?? '') + line[++i]!;
    else if (quote !== '' && character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (quote === '' && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw new UserError(`--command: found a ${quote} that none closes in: ${line}`);
  if (word !== undefined) words.push(word);
  if (words.length === 0) throw new UserError('--command: found nothing; expected a program');
  return words;
}

/** `{wav}` stands for the file that it writes; without, its standard output is the sound. `{text}`: as an argument, not on standard input. */
async function openCommand(folder: string, line: string, onProgram: OnProgram): Promise<SpeechEngine> {
  const words = commandWords(line);
  const wav = join(folder, 'speech.wav');
  const writesFile = words.some((word) => word.includes('{wav}'));
  const takesText = words.some((word) => word.includes('{text}'));
  return {
    voices: [],
    speak: async (text) => {
      rmSync(wav, { force: true });
      const args = words.map((word) => word.replaceAll('{wav}', wav).replaceAll('{text}', () => text));
      const output = await runProgram(args, takesText ? '' : `${text}\n`, onProgram);
      if (writesFile && !(await exists(wav))) throw new Error(`${words[0]} ended well but wrote no {wav}`);
      const sound = writesFile ? readAudio(wav) : readAudioSource(new Blob([output]));
      const samples = await sound.catch((error: unknown) => {
        const found = error instanceof Error ? error.message.replace(`${wav}: `, '') : String(error);
        throw new Error(`${words[0]} gave no sound that can be read: ${found}`);
      });
      return { samples, sampleRate: SAMPLE_RATE };
    },
  };
}

/** @returns its standard output @throws Error with its exit status and the end of its standard error */
function runProgram(
  [program, ...args]: string[],
  input: string,
  onProgram: OnProgram,
): Promise<Buffer<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, ownGroup);
    const end = (): void => endProgram(child.pid!);
    if (child.pid !== undefined) onProgram(child.pid);
    const timer = setTimeout(end, SENTENCE_MS);
    const output: Buffer[] = [];
    let bytes = 0;
    let errors = '';
    child.stdout.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > MAX_OUTPUT_BYTES) end();
      else output.push(piece);
    });
    child.stderr.on('data', (piece: Buffer) => {
      errors = (errors + piece.toString('utf8')).slice(-ERROR_CHARACTERS * 4);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const reason = error.code === 'ENOENT' ? 'there is no such program' : error.message;
      reject(new Error(`${program}: ${reason}`));
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      onProgram(undefined);
      if (status === 0) return resolve(Buffer.concat(output));
      const how = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
      const why = withoutControls(errors).replace(/\s+/g, ' ').trim().slice(-ERROR_CHARACTERS);
      reject(new Error(`${program} ${how}${why === '' ? '' : `: ${why}`}`));
    });
    // A program that does not read its input may have ended before.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
