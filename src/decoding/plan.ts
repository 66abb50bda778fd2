/** Options of transcription with defaults filled in: what is decoded, how, and what is made of the texts. */

import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';
import { type SpansOf, spansByScript } from '../language/spans.ts';
import { type OpenVoiceEmbedder, openVoiceEmbedder } from '../speakers/voice-embedder.ts';
import { alignmentHeads } from '../whisper/alignment-heads.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { type ChosenDecoding, chosenDecoding } from './decoding-choice.ts';
import { choosePrompt, targetOf } from './prompt-choice.ts';
import type { TrackOptions } from './track.ts';
import type { TranscribeOptions, TranslateOptions } from './transcribe-options.ts';
import type { WindowFile } from './window-file.ts';

/** TranscribeOptions, and with `task: 'translate'` those of a translation. */
export interface TranscribeFilesOptions extends TranslateOptions {
  /** Default `transcribe`. */
  readonly task?: Task | undefined;
  /** Keeps the windows of long recordings, and has those of an earlier run. */
  readonly windows?: Pick<WindowFile, 'get' | 'add'> | undefined;
}

/** Options with defaults filled in and named files read. */
export interface Plan extends TrackOptions, ChosenDecoding {
  readonly model: WhisperModel;
  /** The language spoken, if common to all recordings. */
  readonly from: string | undefined;
  /** Whether a translation is in a language that has spaces between sentences. */
  readonly spaced: boolean;
  readonly note: TranslateOptions['onNote'];
  readonly onRead: TranslateOptions['onRead'];
  readonly clip: TranscribeOptions['clip'];
  readonly speakers: { readonly embedder: OpenVoiceEmbedder; readonly count: number | undefined } | undefined;
  readonly fallback: Pick<
    TranslateOptions,
    'compressionRatioThreshold' | 'logProbabilityThreshold' | 'noSpeechThreshold'
  >;
  readonly signal: AbortSignal | undefined;
}

/**
 * @throws UserError where an option does not fit the model, or another option
 */
export async function planOf(model: WhisperModel, options: TranscribeFilesOptions): Promise<Plan> {
  const { to, task = 'transcribe', words = false, window = 'fit', signal } = options;
  // Checked before long work begins.
  const from = options.from === undefined ? undefined : model.tokens.codeOf(options.from);
  const { languagePerWindow = false, conditionOnPrevious = false } = options;
  const { batched = !conditionOnPrevious && window === 'fit' } = options;
  if (from !== undefined && languagePerWindow) {
    throw new UserError(
      `language of each window: found the language "${from}" with it; expected one or the other`,
    );
  }
  if (batched && conditionOnPrevious) {
    throw new UserError(
      'batched: found condition-on-previous with it; expected one or the other: pieces are decoded at once, ' +
        'before the text of those before them is known',
    );
  }
  const { of: prompt, separator } = choosePrompt(model, { ...options, task }, options.onNote);
  const spansOf = task === 'transcribe' ? languageSpans(options) : undefined;
  const { note } = alignmentHeads(model.settings.generationConfig, model.dimensions);
  if (words && note !== undefined) options.onNote?.(note);
  const written = task === 'translate' ? targetOf(model, to) : (from ?? 'en');
  const { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold, speakers } = options;
  checkSpeakers(options);
  return {
    // Where nothing is translated English first, the model before that training does as it did.
    model: separator === undefined ? await model.englishHalf() : model,
    ...(await chosenDecoding(model, options, written)),
    from,
    prompt,
    separator,
    window,
    words,
    timestamps: options.timestamps ?? (words || Boolean(speakers) || undefined),
    conditionOnPrevious,
    batched,
    languagePerWindow,
    spansOf,
    spaced: task === 'translate' && languageProfile(written).spaces,
    note: options.onNote,
    onRead: options.onRead,
    skipSilence: options.skipSilence ?? false,
    clip: options.clip,
    channels: options.channels,
    kept: options.windows,
    speakers: speakers
      ? {
          embedder: await openVoiceEmbedder(model, options.speakerModel),
          count: speakers === true ? undefined : speakers,
        }
      : undefined,
    fallback: { compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold },
    signal,
  };
}

/** Checks options against a model. @throws UserError as `planOf` */
export async function checkPlan(model: WhisperModel, options: TranscribeFilesOptions): Promise<void> {
  await (await planOf(model, options)).speakers?.embedder.close();
}

/** Spans of code-switched languages, where their scripts tell them. */
function languageSpans({ codeSwitched, onNote }: TranscribeFilesOptions): SpansOf | undefined {
  const spansOf = codeSwitched && spansByScript(codeSwitched);
  if (codeSwitched && !spansOf) {
    onNote?.(
      `code-switched ${codeSwitched.join(', ')}: one script; segments do not tell which part is in which`,
    );
  }
  return spansOf;
}

/** @throws UserError where options of speakers contradict each other */
function checkSpeakers({ speakers, speakerModel, channels }: TranscribeFilesOptions): void {
  if (speakerModel !== undefined && !speakers)
    throw new UserError(`speaker model: found ${speakerModel} without speakers; expected both`);
  if (typeof speakers !== 'number') return;
  if (!(Number.isInteger(speakers) && speakers > 0))
    throw new UserError(`speakers: found ${speakers}; expected how many speak, from 1, or none to find out`);
  if (channels === 'separate')
    throw new UserError(
      `speakers: found their number, ${speakers}, with separate channels; expected no number: it is found in each channel`,
    );
}

/** Whether windows of both may be decoded in one batch: prompts and what is made of the texts may differ. */
export function mayShareBatch(a: Plan, b: Plan): boolean {
  return (
    a === b ||
    (a.model === b.model &&
      a.separator === b.separator &&
      haveSameValues(a.decoding, b.decoding) &&
      haveSameValues(a.fallback, b.fallback) &&
      haveSameValues(a.temperatures, b.temperatures))
  );
}

function haveSameValues(a: object, b: object): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<never>;
  return [...names].every((name) => a[name] === b[name]);
}
