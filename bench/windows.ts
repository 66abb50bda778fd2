/**
 * What a window fitted to the clip costs in accuracy, and which silence tail it takes: GCompris' sentences in English,
 * French and Catalan, and words in German where `--recordings` has them, with the full 30 s window, with a fitted one
 * alone, and with fitted ones and tails of several sizes. English has its own transcript (older than the recordings in
 * places); the others are compared with the full window's text. `read again`: as the commands do it, a text that does
 * not end is read again in the full window.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Decoded, decode } from '../src/decoding/decode.ts';
import { readAudio } from '../src/speech/audio-file.ts';
import { type Clip, readManifest } from '../src/speech/manifest.ts';
import { type EncodedClip, WhisperModel, type Window } from '../src/whisper/model.ts';
import { defaultTailSizes, SilenceTails, type TailSizes } from '../src/whisper/silence-tail.ts';
import type { BenchOptions } from './main.ts';
import type { BenchResult, Row } from './result.ts';
import { sentences, wordErrors } from './speech.ts';
import { percent } from './statistics.ts';

const LANGUAGES = ['en', 'fr', 'ca'];
/** Single words, from the recordings outside this repository. */
const WORDS_LANGUAGE = 'de';
const WORDS = 60;
/** Encoded full windows of so many clips are held at once: 3 MB each. */
const CLIPS_PER_ROUND = 32;
const LARGEST_DIFFERENCE = 0.01;
/** None of the sentences has more than 80 tokens: a text that does not end before this one is a loop. */
const MAX_TOKENS = 110;

const step = defaultTailSizes.positionStep;
const TAILS: readonly TailSizes[] = [
  { kept: 32, centres: 16, positionStep: step },
  { kept: 16, centres: 16, positionStep: step },
  { kept: 32, centres: 32, positionStep: step },
  { kept: 64, centres: 32, positionStep: step },
  { kept: 0, centres: 32, positionStep: step },
  { kept: 64, centres: 64, positionStep: step },
];

export async function windows({ model: directory, recordings }: BenchOptions): Promise<BenchResult> {
  const model = await WhisperModel.load(directory);
  const { silence } = await model.silenceTails();
  const tails = TAILS.map((sizes) => new SilenceTails(silence, model.dimensions.width, sizes));
  const settings = ['full', 'alone', ...TAILS.map(tailName)];
  const groups: { name: string; language: string; clips: Clip[] }[] = [];
  for (const language of LANGUAGES) {
    groups.push({ name: `${language}, sentences`, language, clips: await sentences(language) });
  }
  const words = await germanWords(recordings);
  if (words.length > 0)
    groups.push({ name: `${WORDS_LANGUAGE}, words`, language: WORDS_LANGUAGE, clips: words });

  const found: Found[] = [];
  for (const { name, language, clips } of groups) {
    const audio = await Promise.all(clips.map((clip) => readAudio(clip.audio)));
    const full = await inRounds(model, audio, language, 'full', [undefined]);
    const fit = await inRounds(model, audio, language, 'fit', ['none' as const, ...tails]);
    const fullTexts = full[0]!.map(({ text }) => text);
    const references = language === 'en' ? clips.map(({ english }) => english) : undefined;
    [full[0]!, ...fit].forEach((decoded, i) => {
      const own = decoded.map(({ text }) => text);
      const again = decoded.map(({ finished, text }, k) => (finished ? text : fullTexts[k]!));
      const against = (texts: string[]) => ({
        wordErrors: references && wordErrors(texts, references, language),
        difference: wordErrors(texts, fullTexts, language),
        identical: texts.filter((text, k) => text === fullTexts[k]).length,
      });
      found.push({
        group: name,
        clips: clips.length,
        setting: settings[i]!,
        loops: decoded.filter(({ finished }) => !finished).length,
        own: against(own),
        again: against(again),
        texts: own,
      });
      console.log(`${found.at(-1)!.group}, ${settings[i]}: ${shown(found.at(-1)!)}`);
    });
  }
  await model.close();
  const of = (group: string, setting: string) =>
    found.find((row) => row.group === group && row.setting === setting)!;
  const english = (setting: string) => of('en, sentences', setting);
  const chosen = tailName(defaultTailSizes);
  const [full, alone, tail] = ['full', 'alone', chosen].map((setting) => english(setting)) as [
    Found,
    Found,
    Found,
  ];
  return {
    title: 'Windows: full, fitted alone, and fitted with silence tails (frames kept + centres)',
    rows: found.map(
      (row): Row => ({
        measure: `${row.group} (${row.clips}), ${row.setting}${row.setting === chosen ? ' (default)' : ''}`,
        ours: shown(row),
      }),
    ),
    goals: [
      {
        goal: 'English word error rate with the default tail, read again, at most 1 point above the full window’s',
        found: `${percent(tail.again.wordErrors!)} against ${percent(full.own.wordErrors!)} (fitted alone ${percent(alone.own.wordErrors!)})`,
        reached: tail.again.wordErrors! - full.own.wordErrors! <= LARGEST_DIFFERENCE,
      },
    ],
    notes: [
      `A loop: a text that has no end after ${MAX_TOKENS} tokens.`,
      ...(words.length === 0
        ? [`No German words: ${recordings} is absent; --recordings names another folder.`]
        : []),
    ],
    raw: found,
  };
}

interface Against {
  readonly wordErrors: number | undefined;
  /** Words that differ from the full window's text. */
  readonly difference: number;
  readonly identical: number;
}

interface Found {
  readonly group: string;
  readonly clips: number;
  readonly setting: string;
  readonly loops: number;
  readonly own: Against;
  /** Where texts that do not end are read again in the full window. */
  readonly again: Against;
  readonly texts: readonly string[];
}

const tailName = ({ kept, centres }: TailSizes): string => `${kept} + ${centres}`;

function shown({ loops, own, again, clips }: Found): string {
  const one = ({ wordErrors: errors, difference, identical }: Against): string =>
    [
      errors === undefined ? '' : `WER ${percent(errors)}`,
      `${percent(difference)} of words differ`,
      `${identical} of ${clips} identical`,
    ]
      .filter(Boolean)
      .join(', ');
  return `${one(own)}, ${loops} loops${loops > 0 ? `; read again: ${one(again)}` : ''}`;
}

async function germanWords(folder: string): Promise<Clip[]> {
  const manifest = join(folder, 'manifest.tsv');
  if (!existsSync(manifest)) return [];
  const clips = await readManifest(manifest);
  return clips.filter(({ language, set }) => language === WORDS_LANGUAGE && set === 'words').slice(0, WORDS);
}

/** The clips' texts with each of the tails. */
async function inRounds(
  model: WhisperModel,
  audio: readonly Float32Array[],
  language: string,
  window: Window,
  tails: readonly (SilenceTails | 'none' | undefined)[],
): Promise<Decoded[][]> {
  const prompt = model.tokens.prompt(language, 'transcribe');
  const results: Decoded[][] = tails.map(() => []);
  for (let start = 0; start < audio.length; start += CLIPS_PER_ROUND) {
    const clips: EncodedClip[] = await model.encode(audio.slice(start, start + CLIPS_PER_ROUND), window);
    for (const [i, silenceTails] of tails.entries()) {
      const options = { prompts: clips.map(() => prompt), maxTokens: MAX_TOKENS };
      results[i]!.push(
        ...(await decode(model, clips, { ...options, ...(silenceTails && { silenceTails }) })),
      );
    }
  }
  return results;
}

/** Texts of clips in the full window, greedy. */
export async function fullWindowTexts(
  model: WhisperModel,
  audio: readonly Float32Array[],
  language: string,
): Promise<string[]> {
  const [decoded] = await inRounds(model, audio, language, 'full', [undefined]);
  return decoded!.map(({ text }) => text);
}
