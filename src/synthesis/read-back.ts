/** What Whisper understands of synthetic speech: a recording that it cannot read teaches it nothing good. */

import { decodeWithRetry } from '../decoding/full-window-retry.ts';
import { languageProfile } from '../language/profile.ts';
import { characterErrorRate } from '../metrics/word-error-rate.ts';
import type { WhisperModel } from '../whisper/model.ts';

export interface ReadBack {
  readonly transcript: string;
  /** Errors per character, of both texts as Whisper's normaliser writes them. */
  readonly characterErrorRate: number;
}

/**
 * Transcribes recordings (16 kHz, up to 30 s) together, and compares each with its text.
 * @throws UserError where the model has no token for the language
 */
export async function readBack(
  model: WhisperModel,
  recordings: readonly Float32Array[],
  texts: readonly string[],
  language: string,
  signal?: AbortSignal,
): Promise<ReadBack[]> {
  const { base, transcript: normalized } = languageProfile(language);
  const languages = recordings.map(() => base);
  const prompt = model.tokens.prompt(base, 'transcribe');
  const encoded = await model.encode(recordings, 'fit', { languages, signal });
  const decoded = await decodeWithRetry(
    model,
    encoded,
    { prompts: recordings.map(() => prompt), languages, signal },
    (members) =>
      model.encode(
        members.map((i) => recordings[i]!),
        'full',
        { languages: members.map(() => base), signal },
      ),
  );
  return decoded.map(({ result }, i) => {
    const transcript = result.silent ? '' : result.text.trim();
    const pair = [transcript, texts[i]!].map((text) => normalized(text).trim()) as [string, string];
    return { transcript, characterErrorRate: characterErrorRate([pair[0]], [pair[1]]).rate };
  });
}
