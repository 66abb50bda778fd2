/** Transcripts of clips: the manifest's, or the model's. */

import type { Clip } from '../../data/clip.ts';
import { decode } from '../../decoding/decode.ts';
import type { ParallelClip } from '../../retrieval/parallel-clips.ts';
import type { WhisperModel } from '../../whisper/model.ts';

export interface SpokenText {
  readonly text: string;
  /** Source of the text: the manifest, or the model's transcription. '' where there is neither. */
  readonly by: 'manifest' | 'model' | '';
}

/** Texts from the manifest; clips without one are transcribed, if the model has a token for the language. */
export async function spokenTexts(
  model: WhisperModel,
  clips: readonly ParallelClip[],
  onProgress?: (done: number, total: number) => void,
): Promise<Map<Clip, SpokenText>> {
  const texts = new Map<Clip, SpokenText>();
  const unknown: ParallelClip[] = [];
  for (const one of clips) {
    const text = one.clip.text.trim();
    texts.set(one.clip, { text, by: text === '' ? '' : 'manifest' });
    if (text === '' && model.tokens.languages.has(one.clip.language)) unknown.push(one);
  }
  const decoded = await decode(
    model,
    unknown.map(({ encoded }) => encoded),
    {
      prompts: unknown.map(({ clip }) => model.tokens.prompt(clip.language, 'transcribe')),
      stopLoops: true,
      onProgress: (done) => onProgress?.(done, unknown.length),
    },
  );
  unknown.forEach(({ clip }, i) => texts.set(clip, { text: decoded[i]!.text.trim(), by: 'model' }));
  return texts;
}
