/** Audio files to text: read, encoded and decoded in rounds, so that any number of files fits in memory. */
import { UserError } from '../errors.ts';
import { readAudio } from '../speech/audio-file.ts';
import { SAMPLE_RATE } from '../whisper/log-mel.ts';
import type { WhisperModel, Window } from '../whisper/model.ts';
import { detectLanguages } from './detect-language.ts';
import { decodeGreedy } from './greedy.ts';
import { splitLongAudio } from './split-long-audio.ts';

const FILES_PER_ROUND = 32;

export interface TranscribeOptions {
  /** The language spoken; undefined: detected for each file. */
  readonly from: string | undefined;
  /** The decoder's prompt for a clip in that language. */
  readonly prompt: (language: string) => readonly number[];
  readonly window: Window;
  readonly onProgress?: (done: number) => void;
}

export type Transcript =
  | {
      readonly audio: string;
      readonly language: string;
      /** Present where the language was detected. */
      readonly languageProbability?: number;
      readonly text: string;
      /** Seconds. */
      readonly duration: number;
      /** Mean over the tokens. */
      readonly averageLogProbability: number;
    }
  | { readonly audio: string; readonly error: string };

/** One result for each file, in their order. A file that cannot be read gets an error, and the others go on. */
export async function* transcribeFiles(
  model: WhisperModel,
  files: readonly string[],
  { from, prompt, window, onProgress }: TranscribeOptions,
): AsyncGenerator<Transcript> {
  for (let start = 0; start < files.length; start += FILES_PER_ROUND) {
    const round = files.slice(start, start + FILES_PER_ROUND);
    const samples = await Promise.all(round.map((file) => readAudio(file).catch((error: Error) => error)));
    const unknown = samples.find((result) => result instanceof Error && !(result instanceof UserError));
    if (unknown) throw unknown;
    const pieces = samples.flatMap((audio, file) =>
      audio instanceof Error ? [] : splitLongAudio(audio).map((piece) => ({ file, piece })),
    );
    const clips = await model.encode(
      pieces.map(({ piece }) => piece),
      window,
    );
    // The first piece of a file tells its language.
    const firsts = pieces.flatMap(({ file }, i) => (pieces[i - 1]?.file === file ? [] : [i]));
    const detected = new Map<number, { language: string; probability?: number }>();
    if (from) for (const i of firsts) detected.set(pieces[i]!.file, { language: from });
    else {
      const found = await detectLanguages(
        model,
        firsts.map((i) => clips[i]!),
      );
      found.forEach(({ language, probabilities }, k) => {
        detected.set(pieces[firsts[k]!]!.file, { language, probability: probabilities.get(language)! });
      });
    }
    const prompts = pieces.map(({ file }) => prompt(detected.get(file)!.language));
    const decoded = await decodeGreedy(model, clips, {
      prompts,
      stopLoops: true,
      onProgress: (done) => onProgress?.(start + (round.length * done) / pieces.length),
    });
    // A text that did not end by itself is the sign of a window too short: those clips are read again in the full one.
    const endless = window === 'fit' ? decoded.flatMap(({ finished }, i) => (finished ? [] : [i])) : [];
    if (endless.length > 0) {
      const whole = await model.encode(
        endless.map((i) => pieces[i]!.piece),
        'full',
      );
      const again = await decodeGreedy(model, whole, { prompts: endless.map((i) => prompts[i]!) });
      for (const [k, i] of endless.entries()) decoded[i] = again[k]!;
    }
    for (const [file, audio] of round.entries()) {
      const heard = samples[file]!;
      if (heard instanceof Error) {
        yield { audio, error: heard.message };
        continue;
      }
      const parts = decoded.filter((_, i) => pieces[i]!.file === file);
      const { language, probability } = detected.get(file)!;
      yield {
        audio,
        language,
        ...(probability !== undefined && { languageProbability: probability }),
        text: parts.map(({ text }) => text).join(' '),
        duration: heard.length / SAMPLE_RATE,
        averageLogProbability:
          parts.reduce((sum, part) => sum + part.averageLogProbability, 0) / parts.length,
      };
    }
  }
}
