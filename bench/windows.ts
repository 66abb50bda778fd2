/**
 * What a window fitted to the clip costs in accuracy: all of GCompris' sentences in English, French and Catalan, with
 * the full 30 s window, with a fitted one alone, and with a fitted one and the silence tail. Only English has its own
 * transcript (older than the recordings in places); French and Catalan are compared with the full window's text.
 */
import { type Decoded, decode } from '../src/decoding/decode.ts';
import { readAudio } from '../src/speech/audio-file.ts';
import { type EncodedClip, WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './main.ts';
import type { BenchResult, Row } from './result.ts';
import { sentences, wordErrors } from './speech.ts';
import { percent, seconds } from './statistics.ts';

const LANGUAGES = ['en', 'fr', 'ca'];
/** Encoded full windows of so many clips are held at once: 3 MB each. */
const CLIPS_PER_ROUND = 32;
const LARGEST_DIFFERENCE = 0.01;
/** None of the sentences has more than 80 tokens: a text that does not end before this one is a loop. */
const MAX_TOKENS = 110;

interface Setting {
  readonly name: string;
  readonly window: 'full' | 'fit';
  readonly silenceTail: boolean;
}

const SETTINGS: readonly Setting[] = [
  { name: 'full window', window: 'full', silenceTail: false },
  { name: 'fitted window alone', window: 'fit', silenceTail: false },
  { name: 'fitted window, silence tail', window: 'fit', silenceTail: true },
];

export async function windows({ model: directory }: BenchOptions): Promise<BenchResult> {
  const model = await WhisperModel.load(directory);
  await model.silenceTails();
  const rows: Row[] = [];
  const raw: Record<string, unknown> = {};
  const englishErrors: number[] = [];
  const loops: number[] = [];
  for (const language of LANGUAGES) {
    const clips = await sentences(language);
    const audio = await Promise.all(clips.map((clip) => readAudio(clip.audio)));
    let fullTexts: string[] = [];
    for (const [index, setting] of SETTINGS.entries()) {
      const started = performance.now();
      const decoded = await transcribeAll(model, audio, language, setting);
      const took = (performance.now() - started) / 1000;
      const texts = decoded.map(({ text }) => text);
      if (setting.window === 'full') fullTexts = texts;
      const same = texts.filter((text, i) => text === fullTexts[i]).length / texts.length;
      const looping = decoded.filter(({ finished }) => !finished).length;
      const difference = wordErrors(texts, fullTexts, language);
      const errors =
        language === 'en'
          ? wordErrors(
              texts,
              clips.map(({ english }) => english),
              language,
            )
          : undefined;
      if (errors !== undefined) englishErrors.push(errors);
      loops[index] = (loops[index] ?? 0) + looping;
      rows.push({
        measure: `${language}, ${clips.length} clips, ${setting.name}`,
        ours: [
          errors === undefined ? '' : `WER ${percent(errors)}`,
          `word difference ${percent(difference)}`,
          `${percent(same)} identical`,
          `${looping} loops`,
          seconds(took),
        ]
          .filter(Boolean)
          .join(', '),
      });
      console.log(`${rows.at(-1)!.measure}: ${rows.at(-1)!.ours}`);
      raw[`${language}, ${setting.name}`] = {
        wordErrorRate: errors,
        wordDifference: difference,
        identical: same,
        loops: looping,
        seconds: took,
        texts,
      };
    }
  }
  await model.close();
  const [full, alone, tail] = englishErrors as [number, number, number];
  return {
    title: 'Windows: full, fitted, and fitted with the silence tail',
    rows,
    goals: [
      {
        goal: 'English word error rate with the tail at most 1 point above the full window’s',
        found: `${percent(tail)} against ${percent(full)} (fitted alone ${percent(alone)})`,
        reached: tail - full <= LARGEST_DIFFERENCE,
      },
      {
        goal: 'with the tail, not more loops than with the full window',
        found: `${loops[2]} against ${loops[0]} (fitted alone ${loops[1]})`,
        reached: loops[2]! <= loops[0]!,
      },
    ],
    notes: [`A loop: a text that has no end after ${MAX_TOKENS} tokens.`],
    raw,
  };
}

export async function transcribeAll(
  model: WhisperModel,
  audio: readonly Float32Array[],
  language: string,
  { window, silenceTail }: Pick<Setting, 'window' | 'silenceTail'>,
): Promise<Decoded[]> {
  const prompt = model.tokens.prompt(language, 'transcribe');
  const results: Decoded[] = [];
  for (let start = 0; start < audio.length; start += CLIPS_PER_ROUND) {
    const clips: EncodedClip[] = await model.encode(audio.slice(start, start + CLIPS_PER_ROUND), window);
    const prompts = clips.map(() => prompt);
    results.push(
      ...(await decode(model, clips, {
        prompts,
        ...(!silenceTail && { silenceTails: 'none' as const }),
        maxTokens: MAX_TOKENS,
      })),
    );
  }
  return results;
}
