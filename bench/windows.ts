/**
 * Accuracy of a window fitted to the clip, with several kinds of silence beside the clip: GCompris' sentences in
 * English, French and Catalan, short synthetic English ones, and words in German where `--recordings` has them; in the full
 * 30 s window, in a fitted one alone, and with silence for the encoder's layers, for the decoder (tails of several sizes),
 * or both. English is compared with its text (older than the recordings in places), the others with the full window's
 * text. `read again`: as the commands do, a text that does not end is decoded again in the full window.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readAudio } from '../src/audio/audio-file.ts';
import { float32, int64 } from '../src/backend/runtime.ts';
import type { Clip } from '../src/data/clip.ts';
import { readManifest } from '../src/data/manifest.ts';
import { type Decoded, decode } from '../src/decoding/decode.ts';
import type { EncodedClip } from '../src/whisper/encoded-clip.ts';
import { melClip, noSilenceFeeds } from '../src/whisper/mel-batch.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { defaultTailSizes, SilenceTails, type TailSizes } from '../src/whisper/silence-tail.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult, Row } from './result.ts';
import { clipsOf, sentences, wordErrors } from './speech.ts';
import { percent } from './statistics.ts';

const LANGUAGES = ['en', 'fr', 'ca'];
/** Single words, from the recordings outside this repository. */
const WORDS_LANGUAGE = 'de';
const WORDS = 60;
/** Encoded full windows of so many clips are held at once: 3 MB each. */
const CLIPS_PER_ROUND = 32;
const MAX_DIFFERENCE = 0.01;
/** None of the sentences has more than 80 tokens: a text that does not end before this one is a loop. */
const MAX_TOKENS = 110;

/** Silence beside the clip: for the encoder's layers, for the decoder. */
interface Silence {
  readonly encoder: boolean;
  readonly tail: TailSizes | 'none';
}

const { positionStep } = defaultTailSizes;
const DEFAULT: Silence = { encoder: true, tail: defaultTailSizes };
const SILENCES: readonly Silence[] = [
  { encoder: false, tail: 'none' },
  { encoder: false, tail: defaultTailSizes },
  { encoder: true, tail: 'none' },
  DEFAULT,
  { encoder: true, tail: { kept: 16, centres: 16, positionStep } },
  { encoder: true, tail: { kept: 0, centres: 16, positionStep } },
  { encoder: true, tail: { kept: 64, centres: 64, positionStep } },
];

export async function windows({ model: directory, recordings }: BenchOptions): Promise<BenchResult> {
  const model = await WhisperModel.load(directory);
  const groups: Group[] = [];
  for (const language of LANGUAGES) {
    groups.push({ name: `${language}, sentences`, language, clips: await sentences(language) });
  }
  groups.push({ name: 'en, short', language: 'en', clips: await clipsOf('dev', 'en') });
  const words = await germanWords(recordings);
  if (words.length > 0)
    groups.push({ name: `${WORDS_LANGUAGE}, words`, language: WORDS_LANGUAGE, clips: words });

  const found: Found[] = [];
  for (const { name, language, clips } of groups) {
    const audio = await Promise.all(clips.map((clip) => readAudio(clip.audio)));
    const full = await texts(model, audio, language, 'full');
    const references = language === 'en' ? clips.map(({ text }) => text) : undefined;
    const add = (setting: string, decoded: readonly Decoded[]) => {
      const own = decoded.map(({ text }) => text);
      const again = decoded.map(({ finished, text }, k) => (finished ? text : full[k]!.text));
      const against = (texts: string[]) => ({
        wordErrors: references && wordErrors(texts, references, language),
        difference: wordErrors(
          texts,
          full.map(({ text }) => text),
          language,
        ),
        identical: texts.filter((text, k) => text === full[k]!.text).length,
      });
      const row = {
        group: name,
        clips: clips.length,
        setting,
        loops: decoded.filter(({ finished }) => !finished).length,
        own: against(own),
        again: against(again),
        texts: own,
      };
      found.push(row);
      console.log(`${name}, ${setting}: ${shown(row)}`);
    };
    add('full', full);
    for (const silence of SILENCES) add(nameOf(silence), await texts(model, audio, language, silence));
  }
  await model.close();
  const of = (group: string, setting: string) =>
    found.find((row) => row.group === group && row.setting === setting)!;
  const english = (setting: string) => of('en, sentences', setting);
  const [full, alone, chosen] = ['full', nameOf(SILENCES[0]!), nameOf(DEFAULT)].map(english) as [
    Found,
    Found,
    Found,
  ];
  return {
    title:
      'Windows: full, and fitted with silence for the encoder, for the decoder (frames kept + centres), or both',
    rows: found.map(
      (row): Row => ({
        measure: `${row.group} (${row.clips}), ${row.setting}${row.setting === nameOf(DEFAULT) ? ' (default)' : ''}`,
        ours: shown(row),
      }),
    ),
    goals: [
      {
        goal: 'English word error rate by default, read again, at most 1 point above the full window’s',
        found: `${percent(chosen.again.wordErrors!)} against ${percent(full.own.wordErrors!)} (fitted alone ${percent(alone.own.wordErrors!)})`,
        reached: chosen.again.wordErrors! - full.own.wordErrors! <= MAX_DIFFERENCE,
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

interface Group {
  readonly name: string;
  readonly language: string;
  readonly clips: readonly Clip[];
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
  /** Where texts that do not end are decoded again in the full window. */
  readonly again: Against;
  readonly texts: readonly string[];
}

function nameOf({ encoder, tail }: Silence): string {
  const decoder = tail === 'none' ? 'none' : `${tail.kept} + ${tail.centres}`;
  return `encoder ${encoder ? 'yes' : 'no'}, decoder ${decoder}`;
}

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

/** Greedy texts. */
async function texts(
  model: WhisperModel,
  audio: readonly Float32Array[],
  language: string,
  silence: Silence | 'full',
): Promise<Decoded[]> {
  const prompt = model.tokens.prompt(language, 'transcribe');
  const made = await model.silenceTails();
  const results: Decoded[] = [];
  for (let start = 0; start < audio.length; start += CLIPS_PER_ROUND) {
    const some = audio.slice(start, start + CLIPS_PER_ROUND);
    const options = { prompts: some.map(() => prompt), maxTokens: MAX_TOKENS };
    if (silence === 'full') results.push(...(await decode(model, await model.encode(some, 'full'), options)));
    else {
      const clips = silence.encoder ? await model.encode(some, 'fit') : await encodedAlone(model, some);
      const tails =
        silence.tail === 'none'
          ? ('none' as const)
          : new SilenceTails(made.silence, model.dimensions.width, silence.tail);
      results.push(...(await decode(model, clips, { ...options, silenceTails: tails })));
    }
  }
  return results;
}

/** In fitted windows without silence. */
async function encodedAlone(model: WhisperModel, audio: readonly Float32Array[]): Promise<EncodedClip[]> {
  const program = await model.encoderProgram('fit');
  const { melBins, width } = model.dimensions;
  const clips: EncodedClip[] = [];
  for (const samples of audio) {
    const { mel, window, length } = melClip(samples, melBins, 'fit');
    const { fetched } = await model.runtime.run(
      program,
      {
        mel: float32(mel, [1, melBins, 2 * window]),
        positions: int64(Array.from({ length: window }, (_, i) => i)),
        ...noSilenceFeeds(model.dimensions, 1, window),
      },
      { fetch: ['frames'] },
    );
    clips.push({ frames: fetched.frames!.data as Float32Array, window, length, width });
  }
  return clips;
}

/** Texts of clips in the full window, greedy. */
export async function fullWindowTexts(
  model: WhisperModel,
  audio: readonly Float32Array[],
  language: string,
): Promise<string[]> {
  return (await texts(model, audio, language, 'full')).map(({ text }) => text);
}
