/** The sentences that went worst, with their recordings, for the page. */
import { readFile, stat } from 'node:fs/promises';
import type { WorstSentence } from '../report/evaluation-results.ts';
import { formatNumber } from '../report/format.ts';
import { detectFormat, id3Length } from '../speech/audio-decoder.ts';
import type { Prediction } from './evaluate-predictions.ts';
import type { AskedOf } from './evaluate-systems.ts';

/** A page with longer recordings inside would be slow to open. */
const MAX_AUDIO_BYTES = 300_000;

/**
 * By chrF or WER of the last model with its first prompt: the first model is usually what it was before training.
 * @param count of each language
 */
export async function worstSentences(systems: readonly AskedOf[], count: number): Promise<WorstSentence[]> {
  const ranked = rankedBy(systems);
  const answers = systems.map(
    ({ items, predictions }) => new Map(items.map((item, i) => [item, predictions[i]!])),
  );
  const scored = ranked.items.flatMap((item, i) => {
    const score = badness(ranked.predictions[i]!);
    return score === undefined ? [] : [{ item, score }];
  });
  const languages = [...new Set(scored.map(({ item }) => item.clip.language))].sort();
  const worst = languages.flatMap((language) =>
    scored
      .filter(({ item }) => item.clip.language === language)
      .sort((a, b) => b.score - a.score)
      .slice(0, count),
  );
  return Promise.all(
    worst.map(async ({ item }): Promise<WorstSentence> => {
      const about = ranked.predictions[ranked.items.indexOf(item)]!;
      return {
        language: item.clip.language,
        audio: about.audio,
        reference: item.reference,
        sourceText: about.sourceText || item.clip.english,
        hypotheses: systems.flatMap(({ model, prompt }, i) => {
          const answer = answers[i]!.get(item);
          if (answer?.hypothesis === undefined) return [];
          return [{ model, prompt, text: answer.hypothesis, score: answer.chrf ?? answer.wer! }];
        }),
        player: await player(item.clip.audio),
      };
    }),
  );
}

export function rankedBy(systems: readonly AskedOf[]): AskedOf {
  const last = systems.at(-1)!.model;
  return systems.find(({ model }) => model === last)!;
}

/** Higher is worse. */
function badness({ chrf, wer }: Prediction): number | undefined {
  return chrf === undefined ? wer : -chrf;
}

const MEDIA_TYPES: readonly [string, string][] = [
  ['OggS', 'audio/ogg'],
  ['RIFF', 'audio/wav'],
];

/** As it is: what browsers play without being converted. */
async function player(file: string): Promise<WorstSentence['player']> {
  const { size } = await stat(file);
  if (size > MAX_AUDIO_BYTES)
    return { missing: `${formatNumber(size / 1000)} kB, too long to be inside the page` };
  const bytes = await readFile(file);
  const start = bytes.toString('latin1', 0, 4);
  const mpeg = typeof detectFormat(bytes.subarray(id3Length(bytes))) !== 'string' && start !== 'fLaC';
  const type = MEDIA_TYPES.find(([magic]) => start === magic)?.[1] ?? (mpeg ? 'audio/mpeg' : undefined);
  if (!type) return { missing: 'of a kind that is not put into the page (Ogg, WAV and MP3 are)' };
  return { uri: `data:${type};base64,${bytes.toString('base64')}` };
}
