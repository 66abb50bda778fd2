/** Tunes the weights of a language model on the clips of a manifest with references. */
import { abortable } from '../abort.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { type Clip, missingReference, referenceIn } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { encodedClips, selectClips } from '../features/encoded-clips.ts';
import type { CacheOptions } from '../features/encoder-outputs.ts';
import { readLanguageModel } from '../language-model/read.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { withModel } from '../whisper/with-model.ts';
import { choosePrompt, type PromptChoice } from './prompt-choice.ts';
import { type TunedFusion, tuneFusion } from './tune-fusion.ts';

export interface TuneOptions extends PromptChoice, WorkOptions, CacheOptions {
  /** ARPA file, or the folder of a causal language model. */
  readonly languageModel: string;
  /** Path of a manifest of clips outside the test set. */
  readonly manifest: string;
  readonly set?: string | undefined;
  /** Only clips in this language. */
  readonly from?: string | undefined;
  /** Language of the output texts. */
  readonly to: string;
  /** Language of the references, or `source_text` for transcripts. Default: `to`. */
  readonly reference?: string | undefined;
  readonly task: Task;
  /** Default: the embedded Whisper base. */
  readonly model?: string | undefined;
  readonly beams: number;
  /** Weights for rescoring after the search. Default: for fusion in it. */
  readonly rescore?: boolean | undefined;
  readonly trials: number;
  readonly seed: number;
  readonly window: WindowMode;
}

/** @returns the weights, and the number of clips that they were tuned on */
export function tuneOnManifest(options: TuneOptions): Promise<TunedFusion & { readonly clips: number }> {
  return abortable(options.signal, () => tune(options));
}

async function tune(options: TuneOptions): Promise<TunedFusion & { readonly clips: number }> {
  const { manifest, set, from, to, reference = to, task, model: directory = embeddedModel } = options;
  const { beams, rescore, trials, seed, window, cache, cacheDtype, cacheLimit, ...work } = options;
  const { onProgress, onSkip, onNote, signal } = work;
  const text = (clip: Clip): string =>
    reference === 'source_text' ? clip.text : referenceIn(clip, reference);
  const all = await selectClips(manifest, { set, language: from });
  const clips = all.filter((clip) => text(clip) !== '');
  if (clips.length === 0) throw new UserError(missingReference(manifest, all, reference));
  return withModel(WhisperModel.load(directory), async (model) => {
    const lm = await readLanguageModel(options.languageModel, model.runtime);
    const { of: prompt, separator } = choosePrompt(
      model,
      { ...options, task, to: task === 'translate' ? to : undefined },
      onNote,
    );
    const usable = await encodedClips(model, clips, {
      ...{ window, cache, cacheDtype, cacheLimit },
      ...{ onProgress, onSkip, onNote, signal },
    });
    const tuned = await tuneFusion(
      model,
      lm,
      usable.map(({ clip, encoded }) => ({
        encoded,
        prompt: prompt(clip.language),
        reference: text(clip),
      })),
      {
        ...{ language: to, separator, beams, rescore, trials, seed },
        onProgress: (stage, done, total) => {
          signal?.throwIfAborted();
          onProgress?.({ stage, done, total });
        },
      },
    );
    return { clips: usable.length, ...tuned };
  });
}
