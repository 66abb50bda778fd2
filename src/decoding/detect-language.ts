/** Language detection by Whisper, from the probabilities of its first token. */
import { largest } from '../extremes.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { DecodingSession } from './session.ts';

export interface DetectedLanguage {
  /** Code such as "fr". */
  readonly language: string;
  /** Probabilities of all languages with a token, by code; they sum to 1. */
  readonly probabilities: ReadonlyMap<string, number>;
}

const CLIPS_PER_BATCH = 8;

export async function detectLanguages(
  trained: WhisperModel,
  clips: readonly EncodedClip[],
  signal?: AbortSignal,
): Promise<DetectedLanguage[]> {
  const model = await trained.englishHalf();
  const { tokens } = model;
  const detected: DetectedLanguage[] = [];
  for (let start = 0; start < clips.length; start += CLIPS_PER_BATCH) {
    signal?.throwIfAborted();
    const batch = clips.slice(start, start + CLIPS_PER_BATCH);
    const session = await DecodingSession.start(model, batch);
    const suppression = { bias: new Float32Array(model.dimensions.vocabulary), places: [] };
    const { logits } = await session
      .readPrompts(
        batch.map(() => [tokens.startOfTranscript]),
        { rows: [...batch.keys()], suppression, count: 1 },
        ['logits'],
      )
      .finally(() => session.end());
    batch.forEach((_, row) => {
      const scores = [...tokens.languages].map(
        ([code, id]) => [code, Number(logits[row * model.dimensions.vocabulary + id])] as const,
      );
      const top = largest(scores, ([, logit]) => logit);
      const total = scores.reduce((sum, [, logit]) => sum + Math.exp(logit - top), 0);
      const probabilities = new Map(scores.map(([code, logit]) => [code, Math.exp(logit - top) / total]));
      detected.push({ language: scores.find(([, logit]) => logit === top)![0], probabilities });
    });
  }
  return detected;
}

/** A window whose language was detected, and the seconds of speech in it. */
export interface SpokenWindow {
  readonly detected: DetectedLanguage;
  readonly speech: number;
}

/**
 * The language of several windows of one recording: the likeliest by the mean of their probabilities, weighted by the
 * seconds of speech.
 */
export function commonLanguage(windows: readonly SpokenWindow[]): DetectedLanguage {
  if (windows.length === 1) return windows[0]!.detected;
  const total = windows.reduce((sum, { speech }) => sum + speech, 0);
  const weights = windows.map(({ speech }) => (total > 0 ? speech / total : 1 / windows.length));
  const probabilities = new Map(
    [...windows[0]!.detected.probabilities.keys()].map((code) => [
      code,
      windows.reduce((sum, { detected }, i) => sum + weights[i]! * detected.probabilities.get(code)!, 0),
    ]),
  );
  const [language] = [...probabilities].reduce((best, each) => (each[1] > best[1] ? each : best));
  return { language, probabilities };
}

/** Languages that windows are more likely in than not, in order, each once: more than one where a recording changes its language. */
export function certainLanguages(windows: readonly SpokenWindow[]): string[] {
  return [
    ...new Set(
      windows
        .filter(
          ({ detected: { language, probabilities }, speech }) =>
            speech > 0 && probabilities.get(language)! > 0.5,
        )
        .map(({ detected }) => detected.language),
    ),
  ];
}
