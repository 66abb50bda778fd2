/**
 * Early exit: transcriptions from encoder layer k, its output given to the decoder through the final layer norm as if the
 * encoder ended there. For some languages that Whisper knows little of, that is better than the last layer (Shim et al.,
 * arXiv 2505.19606).
 */

import type { Clip } from '../../data/clip.ts';
import { decode } from '../../decoding/decode.ts';
import type { LayerCache } from '../../features/layer-cache.ts';
import { languageProfile } from '../../language/profile.ts';
import { bootstrap } from '../../metrics/significance.ts';
import { errorMetric } from '../../metrics/word-error-rate.ts';
import { curves } from '../../report/curves.ts';
import { csvText, type Figure } from '../../report/figure.ts';
import { languageName } from '../../report/format.ts';
import type { Estimate } from '../../retrieval/study.ts';
import type { EncodedClip, WindowMode } from '../../whisper/encoded-clip.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { knownLanguage } from '../../whisper/prompts.ts';

/** From early layers the decoder does not stop: no text of these clips is as long. */
const MAX_TOKENS = 80;

export interface EarlyExitRow {
  readonly layer: number;
  readonly language: string;
  readonly n: number;
  /** The language of the prompt's token, where the model has none for the language itself. */
  readonly promptedAs?: string;
  /** Word and character error rates, 1 is 100 %. */
  readonly wer: Estimate;
  readonly cer: Estimate;
  readonly texts: readonly { readonly clip: Clip; readonly reference: string; readonly text: string }[];
}

/** Whether a clip has a reference, and the model a token for its language or a related one. */
export const canTranscribe = (model: WhisperModel, clip: Clip): boolean =>
  clip.text.trim() !== '' && knownLanguage(model.tokens, clip.language) !== undefined;

/** Error rates of transcripts from each layer. @param cache filled with the clips */
export async function earlyExitStudy(
  cache: LayerCache,
  clips: readonly Clip[],
  layers: readonly number[],
  onProgress?: (done: number, total: number, what: string) => void,
): Promise<EarlyExitRow[]> {
  const rows: EarlyExitRow[] = [];
  for (const [place, layer] of layers.entries()) {
    // A separate model, whose encoding of silence ends at that layer, too.
    const model = await WhisperModel.load(cache.model.directory, { exitLayer: layer });
    try {
      const encodedClips: { clip: Clip; encoded: EncodedClip }[] = [];
      for (const clip of clips) {
        const encoded = await cache.read(clip.audio, layer);
        if (encoded) encodedClips.push({ clip, encoded: await model.withFinalNorm(encoded) });
      }
      const decoded = await decode(
        model,
        encodedClips.map(({ encoded }) => encoded),
        {
          prompts: encodedClips.map(({ clip }) =>
            model.tokens.prompt(knownLanguage(model.tokens, clip.language)!, 'transcribe'),
          ),
          maxTokens: MAX_TOKENS,
          stopLoops: true,
          onProgress: (done) =>
            onProgress?.(place * clips.length + done, layers.length * clips.length, `layer ${layer}`),
        },
      );
      const texts = encodedClips.map(({ clip }, i) => ({
        clip,
        reference: clip.text.trim(),
        text: decoded[i]!.text.trim(),
      }));
      for (const language of [...new Set(clips.map((clip) => clip.language))].sort()) {
        const own = texts.filter(({ clip }) => clip.language === language);
        const promptedAs = knownLanguage(model.tokens, language)!;
        const rates = { wer: errorRate('wer', own, language), cer: errorRate('cer', own, language) };
        const other = promptedAs !== language && { promptedAs };
        rows.push({ layer, language, n: own.length, ...other, ...rates, texts: own });
      }
    } finally {
      await model.close();
    }
  }
  return rows;
}

function errorRate(kind: 'wer' | 'cer', texts: EarlyExitRow['texts'], language: string): Estimate {
  const { transcript, spaces } = languageProfile(language);
  const normalize = (text: string): string => transcript(text, { splitLetters: kind === 'wer' && !spaces });
  const metric = errorMetric(kind);
  const statistics = metric.statistics(
    texts.map(({ text }) => normalize(text)),
    [texts.map(({ reference }) => normalize(reference))],
  );
  const { score, low, high } = bootstrap(statistics, (total) => metric.score(total).score / 100);
  return { value: score, low, high };
}

export function earlyExitFigure(rows: readonly EarlyExitRow[], window: WindowMode): Figure {
  const languages = [...new Set(rows.map(({ language }) => language))];
  // Far above 100 % the decoder only babbles: the chart ends there, the CSV has all values.
  const shown = (value: number): number => Math.min(150, 100 * value);
  return {
    name: 'early-exit',
    caption: `Word error rate where the encoder ends after so many layers (final layer norm kept, ${window} window, greedy, at most ${MAX_TOKENS} tokens, normalised as in Whisper’s paper, letters as words where the language has no spaces); cut off at 150 %. Bands are 95 % bootstrap intervals.`,
    svg: curves(
      'Word error rate by exit layer',
      languages.map((language) => ({
        label: `${languageName(language)} (n ${rows.find((row) => row.language === language)!.n})`,
        points: rows
          .filter((row) => row.language === language)
          .map(({ layer, wer }) => ({
            x: layer,
            y: shown(wer.value),
            low: shown(wer.low),
            high: shown(wer.high),
          })),
      })),
      { x: 'encoder layers', y: 'WER (%)' },
    ),
    csv: csvText([
      ['layer', 'language', 'n', 'wer', 'low', 'high', 'cer', 'cer low', 'cer high'],
      ...rows.map(({ layer, language, n, wer, cer }) => [
        ...[layer, language, n],
        ...[wer.value, wer.low, wer.high, cer.value, cer.low, cer.high],
      ]),
    ]),
  };
}
