/** Class `Whisper`: a model that is loaded once and transcribes, translates and encodes recordings. */
import { abortable, abortableResults } from '../abort.ts';
import { type AudioSource, isAudioSource, notAudio, readAudioSource } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { DeviceChoice } from '../backend/device.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { UserError } from '../errors.ts';
import type { Compute } from '../whisper/compute.ts';
import { type EncodedClip, frameValues, type WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { commonLanguage, detectLanguages } from './detect-language.ts';
import { encodeWindows } from './encode-windows.ts';
import { targetOf } from './prompt-choice.ts';
import { scanRecording } from './recording.ts';
import { rounds } from './rounds.ts';
import { isLong, piecesOf, speechRegions, windowsToAsk } from './speech-regions.ts';
import { WINDOW_SAMPLES } from './split-long-audio.ts';
import { type FileToTranscribe, transcribeFiles } from './transcribe-files.ts';
import type { TranscribeOptions, TranslateOptions } from './transcribe-options.ts';
import { type Transcript, UNKNOWN_LANGUAGE } from './transcript.ts';

/** Where voice activity detection finds nobody, a less likely language is that of noise: those of noise and music stay below. */
const CERTAIN_WITHOUT_SPEECH = 0.8;

export interface LoadOptions {
  /** Number of computing threads. Default: that of the cores. */
  readonly threads?: number;
  /** How linear layers compute while texts are written; `embed` always does in float32. Default 'auto'. */
  readonly compute?: Compute | undefined;
  /** Where it computes (experimental but for cpu). Default: cpu, or what WHISPER_TRANSFER_DEVICE says. */
  readonly device?: DeviceChoice | undefined;
  /** Aborts loading. */
  readonly signal?: AbortSignal;
}

export interface AudioOptions {
  /**
   * `full`: 30 s, as Whisper was trained. `fit`: the recording and a second, followed by cached silence; faster. Recordings
   * longer than 30 s always have full windows. Default `fit`.
   */
  readonly window?: WindowMode | undefined;
  /** Aborts: pending promises reject with the signal's reason at once, and the model stays usable. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for lists of recordings. */
export interface ListOptions<Audio extends AudioSource> {
  /** Called with a recording that cannot be read, which is skipped. Default: the iteration ends with the error. */
  readonly onError?: ((audio: Audio, error: UserError) => void) | undefined;
}

/** The language detected in a recording. */
export interface LanguageDetection<Audio extends AudioSource = string> {
  /** The recording as it was given. */
  readonly audio: Audio;
  /** The likeliest, as Whisper's code: 'fr'; 'unknown' where nobody speaks. */
  readonly language: string;
  /** Its probability; 0 for 'unknown'. */
  readonly probability: number;
  /** Probabilities of all languages of the model, by code; they sum to 1. */
  readonly probabilities: ReadonlyMap<string, number>;
}

/** Encoder outputs of a recording, in the shared space of all languages. */
export interface Embedding<Audio extends AudioSource = string> {
  /** The recording as it was given. */
  readonly audio: Audio;
  /** Mean of the frames, [width]. */
  readonly vector: Float32Array;
  /** Encoder outputs, 50 a second, [length, width], row by row. */
  readonly frames: Float32Array;
  readonly length: number;
  readonly width: number;
}

/** A list of recordings; an async iterable may produce them one by one. */
export type Recordings<Audio> = Iterable<Audio> | AsyncIterable<Audio>;

/**
 * A loaded Whisper model. Every method takes one recording and returns a promise, or a list of them (an array or an async
 * iterable) and returns an async iterable with the results in the order of the list, each as soon as it and those before it
 * are done. Recordings of a list are computed together: faster than a call for each.
 *
 * Close it when it is not needed any more, or declare it with `await using`.
 *
 * @example
 * await using whisper = await Whisper.load();
 * const { text, language } = await whisper.transcribe('talk.ogg');
 * for await (const { audio, text } of whisper.transcribe(['a.ogg', 'b.mp3'], { words: true })) console.log(audio, text);
 */
export class Whisper {
  private constructor(
    /** For `whisper-transfer/whisper`, `/decoding` and `/retrieval`, which work on it directly. */
    readonly model: WhisperModel,
  ) {}

  /**
   * Loads a model: a directory in Hugging Face layout, such as one that `train` wrote. Default: Whisper base, multilingual,
   * int8, which comes with the package.
   * @throws UserError where the directory holds no usable Whisper
   */
  static async load(
    directory: string = embeddedModel,
    { threads, device, compute = 'auto', signal }: LoadOptions = {},
  ): Promise<Whisper> {
    let loading: Promise<WhisperModel> | undefined;
    try {
      const model = await abortable(signal, () => {
        loading = WhisperModel.load(directory, {
          ...(threads !== undefined && { threads }),
          device,
          compute,
        });
        return loading;
      });
      return new Whisper(model);
    } catch (error) {
      // A model whose loading was aborted is closed once it is loaded.
      void loading?.then((model) => model.close()).catch(() => {});
      throw error;
    }
  }

  /** Codes of the languages of the model. */
  get languages(): readonly string[] {
    return [...this.model.tokens.languages.keys()];
  }

  /** Default target language of `translate`. */
  get target(): string {
    return targetOf(this.model, undefined);
  }

  /**
   * Transcribes speech in the language spoken.
   * @throws UserError where the recording cannot be read, or an option does not fit the model
   */
  transcribe<Audio extends AudioSource>(
    audio: Audio,
    options?: TranscribeOptions,
  ): Promise<Transcript<Audio>>;
  transcribe<Audio extends AudioSource>(
    list: Recordings<Audio>,
    options?: TranscribeOptions & ListOptions<Audio>,
  ): AsyncIterableIterator<Transcript<Audio>>;
  transcribe<Audio extends AudioSource>(
    audio: Audio | Recordings<Audio>,
    options: TranscribeOptions & ListOptions<Audio> = {},
  ): Promise<Transcript<Audio>> | AsyncIterableIterator<Transcript<Audio>> {
    return verb(audio, options, (list, chosen) => this.#texts(list, chosen, 'transcribe'));
  }

  /**
   * Translates speech into English, or into the target language of the model.
   * @throws UserError where the recording cannot be read, or an option does not fit the model
   */
  translate<Audio extends AudioSource>(audio: Audio, options?: TranslateOptions): Promise<Transcript<Audio>>;
  translate<Audio extends AudioSource>(
    list: Recordings<Audio>,
    options?: TranslateOptions & ListOptions<Audio>,
  ): AsyncIterableIterator<Transcript<Audio>>;
  translate<Audio extends AudioSource>(
    audio: Audio | Recordings<Audio>,
    options: TranslateOptions & ListOptions<Audio> = {},
  ): Promise<Transcript<Audio>> | AsyncIterableIterator<Transcript<Audio>> {
    return verb(audio, options, (list, chosen) => this.#texts(list, chosen, 'translate'));
  }

  /** Detects the language spoken, from the first windows in which somebody speaks. */
  detectLanguage<Audio extends AudioSource>(
    audio: Audio,
    options?: AudioOptions,
  ): Promise<LanguageDetection<Audio>>;
  detectLanguage<Audio extends AudioSource>(
    list: Recordings<Audio>,
    options?: AudioOptions & ListOptions<Audio>,
  ): AsyncIterableIterator<LanguageDetection<Audio>>;
  detectLanguage<Audio extends AudioSource>(
    audio: Audio | Recordings<Audio>,
    options: AudioOptions & ListOptions<Audio> = {},
  ): Promise<LanguageDetection<Audio>> | AsyncIterableIterator<LanguageDetection<Audio>> {
    return verb(audio, options, (list, chosen) =>
      abortableResults(chosen.signal, this.#languages(list, chosen)),
    );
  }

  /**
   * Encodes recordings of at most 30 s, or the first 30 s of longer ones. Sentences of the same meaning, in any languages, have
   * similar frames: compare them with `retrieve`, or their means with the cosine.
   */
  embed<Audio extends AudioSource>(audio: Audio, options?: AudioOptions): Promise<Embedding<Audio>>;
  embed<Audio extends AudioSource>(
    list: Recordings<Audio>,
    options?: AudioOptions & ListOptions<Audio>,
  ): AsyncIterableIterator<Embedding<Audio>>;
  embed<Audio extends AudioSource>(
    audio: Audio | Recordings<Audio>,
    options: AudioOptions & ListOptions<Audio> = {},
  ): Promise<Embedding<Audio>> | AsyncIterableIterator<Embedding<Audio>> {
    return verb(audio, options, (list, chosen) =>
      abortableResults(chosen.signal, this.#embeddings(list, chosen)),
    );
  }

  /** Ends the computing thread and frees its memory. Work in progress is rejected. */
  close(): Promise<void> {
    return this.model.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#texts<Audio extends AudioSource>(
    list: Recordings<Audio>,
    { onError, ...options }: TranslateOptions & ListOptions<Audio>,
    task: Task,
  ): AsyncGenerator<Transcript<Audio>, void, undefined> {
    const files = mapped(list, (audio): FileToTranscribe<Audio> => ({ audio }));
    for await (const result of transcribeFiles(this.model, files, { ...options, task })) {
      if (!('error' in result)) yield result;
      else report(result.audio, new UserError(result.error), onError);
    }
  }

  async *#languages<Audio extends AudioSource>(
    list: Recordings<Audio>,
    options: AudioOptions & ListOptions<Audio>,
  ): AsyncGenerator<LanguageDetection<Audio>, void, undefined> {
    const { window = 'fit', signal, onError } = options;
    const read = async (audio: Audio) => {
      try {
        const [track] = await scanRecording(audio, { signal });
        const { stretches, length, open } = track!;
        const regions = speechRegions(track!);
        const windows = await windowsToAsk(open, (samples) => piecesOf(samples, regions, stretches));
        return { audio, length, long: isLong(regions), windows };
      } catch (error) {
        report(audio, error, onError);
        return { audio, length: 0, long: false, windows: [] };
      }
    };
    for await (const round of rounds(list, read)) {
      const asked = round.flatMap(({ windows, long }, file) =>
        windows.map(({ samples, speech }) => ({
          file,
          samples,
          speech,
          window: long ? ('full' as const) : window,
        })),
      );
      const clips = await encodeWindows(this.model, asked, signal);
      const detected = await detectLanguages(this.model, clips, signal);
      for (const [file, { audio }] of round.entries()) {
        const own = asked.flatMap(({ file: of, speech }, i) =>
          of === file ? [{ speech, detected: detected[i]! }] : [],
        );
        if (own.length === 0) continue;
        const { language, probabilities } = commonLanguage(own);
        const probability = probabilities.get(language)!;
        const unknown = own.every(({ speech }) => speech === 0) && probability < CERTAIN_WITHOUT_SPEECH;
        yield unknown
          ? { audio, language: UNKNOWN_LANGUAGE, probability: 0, probabilities }
          : { audio, language, probability, probabilities };
      }
    }
  }

  async *#embeddings<Audio extends AudioSource>(
    list: Recordings<Audio>,
    options: AudioOptions & ListOptions<Audio>,
  ): AsyncGenerator<Embedding<Audio>, void, undefined> {
    for await (const round of this.#encoded(list, options)) {
      for (const { audio, clip } of round) {
        const { length, width } = clip;
        const frames = frameValues(clip).slice(0, length * width);
        yield { audio, vector: meanOf(frames, width), frames, length, width };
      }
    }
  }

  /** The first window of each. */
  async *#encoded<Audio extends AudioSource>(
    list: Recordings<Audio>,
    { window = 'fit', signal, onError }: AudioOptions & ListOptions<Audio>,
  ): AsyncGenerator<{ readonly audio: Audio; readonly clip: EncodedClip }[], void, undefined> {
    const read = async (audio: Audio) => {
      try {
        // A sample more tells that it is longer than the window.
        const to = (WINDOW_SAMPLES + 1) / SAMPLE_RATE;
        const samples = await readAudioSource(audio, { to, signal });
        return { audio, samples, length: samples.length };
      } catch (error) {
        report(audio, error, onError);
        return { audio, length: 0 };
      }
    };
    for await (const round of rounds(list, read)) {
      const readable = round.flatMap(({ audio, samples }) =>
        samples
          ? [{ audio, samples: samples.subarray(0, WINDOW_SAMPLES), window: windowOf(samples, window) }]
          : [],
      );
      // They are compared with others'.
      const clips = await encodeWindows(this.model, readable, signal, true);
      yield readable.map(({ audio }, i) => ({ audio, clip: clips[i]! }));
    }
  }
}

const windowOf = (samples: Float32Array, window: WindowMode): WindowMode =>
  samples.length > WINDOW_SAMPLES ? 'full' : window;

/** The results for a list, or the result for one recording. */
function verb<Audio extends AudioSource, Options extends AudioOptions & ListOptions<Audio>, Result>(
  audio: Audio | Recordings<Audio>,
  options: Options,
  results: (list: Recordings<Audio>, options: Options) => AsyncGenerator<Result, void, undefined>,
): Promise<Result> | AsyncIterableIterator<Result> {
  if (isAudioSource(audio)) return firstOf(results([audio], { ...options, onError: undefined }));
  if (typeof audio !== 'object' || !(Symbol.iterator in audio || Symbol.asyncIterator in audio))
    throw notAudio(audio);
  return results(audio, options);
}

async function firstOf<Result>(results: AsyncGenerator<Result, void, undefined>): Promise<Result> {
  for await (const result of results) return result;
  throw new Error('internal: a recording without a result');
}

async function* mapped<Item, To>(
  items: Iterable<Item> | AsyncIterable<Item>,
  to: (item: Item) => To,
): AsyncGenerator<To, void, undefined> {
  for await (const item of items) yield to(item);
}

function report<Audio extends AudioSource>(
  audio: Audio,
  error: unknown,
  onError: ListOptions<Audio>['onError'],
): void {
  if (!onError || !(error instanceof UserError)) throw error;
  onError(audio, error);
}

function meanOf(frames: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width);
  for (let i = 0; i < frames.length; i++) sums[i % width]! += frames[i]!;
  return Float32Array.from(sums, (sum) => (sum * width) / Math.max(1, frames.length));
}
