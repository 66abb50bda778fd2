/** A Whisper model ready to run: weights in the computing thread, graphs compiled when they are first needed. */
import { FULL_WINDOW_FRAMES, logMel } from '../audio/log-mel.ts';
import type { DeviceChoice } from '../backend/device.ts';
import { float32, type HostTensor, int64, type Program, Runtime } from '../backend/runtime.ts';
import { type Checkpoint, readCheckpoint } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { modelFolder } from '../hub/model-folder.ts';
import { placesBy } from '../lists.ts';
import { alignmentHeads } from './alignment-heads.ts';
import {
  type Compute,
  inForm,
  type ModelProducts,
  type PartForm,
  productsFor,
  variantFor,
} from './compute.ts';
import {
  alignmentGraph,
  audioMemoryGraph,
  decodingStepGraph,
  type OutputTokens,
  selectionGraph,
  TOKEN_EMBEDDING,
} from './decoder.ts';
import { decodingLoopGraph } from './decoding-loop.ts';
import {
  type EncodedClip,
  FULL_WINDOW_POSITIONS,
  frameValues,
  SAMPLES_PER_FRAME,
  type WindowMode,
  windowFrames,
} from './encoded-clip.ts';
import { encoderGraph, encoderStatesGraph, finalNormGraph } from './encoder.ts';
import { englishFolder } from './english-half.ts';
import { readExperts } from './expert-files.ts';
import { expertPrefix, expertTensors } from './experts.ts';
import { type LanguageToken, withLanguageToken } from './language-token.ts';
import { isMel, type Lazy, type ReadyClip } from './lazy.ts';
import { noSilenceFeeds, silenceFeeds } from './mel-batch.ts';
import { withDecoderLayers } from './prune-decoder.ts';
import { storedBits } from './quantized-weights.ts';
import { SilenceTails } from './silence-tail.ts';
import { outputIds, outputTokens, type TargetVocabulary } from './target-vocabulary.ts';
import { Tokens } from './tokens.ts';
import type { ExpertSet } from './variant.ts';
import { windowBatches } from './window-batches.ts';

export interface EncodeOptions {
  /** Called with the number of clips done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Changes a clip's log-mel, [mel bins, frames], in place. */
  readonly mask?: ((clip: number, mel: Float32Array) => void) | undefined;
  /** Aborts between two encoder runs (abort.ts). */
  readonly signal?: AbortSignal | undefined;
  /** The language spoken in each clip: its experts encode the clip, where the model has them in the encoder. */
  readonly languages?: readonly (string | undefined)[] | undefined;
  /** In float32 whatever the model's `compute`: for outputs that are compared or kept. Default false. */
  readonly exact?: boolean | undefined;
}

export interface ModelOptions {
  /** Number of computing threads. Default: that of the cores. */
  readonly threads?: number;
  /** Where it computes (experimental but for cpu). Default: cpu, or what WHISPER_TRANSFER_DEVICE says. */
  readonly device?: DeviceChoice | undefined;
  /** Number of encoder layers to run (early exit); the final layer norm is applied. Default: all. */
  readonly exitLayer?: number;
  /** Number of decoder layers to keep (prune-decoder.ts). Default: all. */
  readonly decoderLayers?: number | undefined;
  /** A token for one more language (language-token.ts). Default: none. */
  readonly languageToken?: LanguageToken | undefined;
  /** How linear layers compute while texts are written. Default float32, which training and comparisons need. */
  readonly compute?: Compute | ModelProducts | undefined;
}

/** Name of the compiled encoder; those of all begin with 'encoder'. */
const encoderName = (products: PartForm, fitted: boolean): string =>
  `encoder${fitted ? ', fitted' : ''} ${JSON.stringify(products)}`;

/** Of programs of the decoder, whose shapes grow. */
const INFERENCE = { builtIn: () => true, arena: false };

export class WhisperModel {
  readonly #programs = new Map<string, Promise<Program>>();
  readonly #outputs = new Map<
    TargetVocabulary | undefined,
    { readonly tokens: OutputTokens; readonly ids: Int32Array }
  >();
  #fingerprint: Promise<string> | undefined;
  readonly #expertFingerprints = new Map<string, Promise<string>>();
  #english: Promise<WhisperModel> | undefined;
  readonly #silence = new Map<PartForm, Promise<SilenceTails>>();

  private constructor(
    readonly directory: string,
    readonly runtime: Runtime,
    readonly dimensions: WhisperDimensions,
    readonly tokens: Tokens,
    /** The checkpoint without weights, which moved to the computing thread. */
    readonly settings: Omit<Checkpoint, 'weights'>,
    readonly weightNames: readonly string[],
    /** Experts by language (experts.ts): the model's, and those in training. */
    readonly experts: Map<string, ExpertSet>,
    private readonly compute: Compute | ModelProducts,
    /** Forms of the products while texts are written. */
    readonly products: ModelProducts,
  ) {}

  /**
   * @param model directory in Hugging Face layout, or a model of the hub ("openai/whisper-small", "owner/name@revision"), which is
   * fetched into the hub's cache where it is missing
   * @throws UserError where that is no usable Whisper
   */
  static async load(
    model: string,
    { exitLayer, decoderLayers, languageToken, compute = 'float32', ...options }: ModelOptions = {},
  ): Promise<WhisperModel> {
    const directory = await modelFolder(model);
    const found = await readCheckpoint(directory);
    const whole = languageToken ? await withLanguageToken(found, languageToken) : found;
    const checkpoint = decoderLayers === undefined ? whole : withDecoderLayers(whole, decoderLayers);
    const { weights, ...settings } = checkpoint;
    // Experts are defined for all of the model's layers.
    const experts =
      decoderLayers === undefined
        ? await readExperts(directory, settings.dimensions)
        : { sets: [], weights: new Map() };
    const runtime = await Runtime.open(options);
    // Experts are stored as floats.
    const wholeNumbers = storedBits(settings.config) === 8 && experts.sets.length === 0;
    const products = await productsFor(runtime, compute, { wholeNumbers }).catch(async (error) => {
      await runtime.close();
      throw error;
    });
    const names = [...weights.keys()];
    await runtime.store(weights);
    await runtime.store(experts.weights);
    return new WhisperModel(
      directory,
      runtime,
      exitLayer === undefined ? settings.dimensions : { ...settings.dimensions, encoderLayers: exitLayer },
      new Tokens(
        settings.tokenizerFile,
        settings.tokenizer,
        settings.generationConfig.lang_to_id as Record<string, number>,
      ),
      settings,
      names,
      new Map(experts.sets.map((set) => [set.language, set])),
      compute,
      products,
    );
  }

  async close(): Promise<void> {
    const english = await this.#english?.catch(() => undefined);
    if (english !== this) await english?.close();
    await this.runtime.close();
  }

  /**
   * Of a model that was trained to translate English first the one before that training, which writes the English half and
   * does whatever else is asked; of others this one. Loaded when it is needed, and closed with this one.
   */
  englishHalf(): Promise<WhisperModel> {
    this.#english ??= englishFolder(this.directory).then((folder) =>
      folder === undefined
        ? this
        : WhisperModel.load(folder, {
            threads: this.runtime.threads,
            device: this.runtime.device,
            compute: this.compute,
          }),
    );
    return this.#english;
  }

  /**
   * For fitted windows, which see silence beside the clip, or for full ones. Each compiled encoder packs its own copy of the
   * weights, so full windows reuse the fitted one if it exists: without silence it gives the same, a little slower.
   * @param language whose experts encode. Default, and where the encoder has none: the shared networks. Only one program
   * of experts is kept at a time.
   * @param exact in float32, whatever the model's `compute`
   */
  async encoderProgram(window: WindowMode, language?: string, exact = false): Promise<Program> {
    const products = exact ? 'float32' : this.products.encoder;
    const set = this.encoderExperts(language);
    if (set) {
      const name = `encoder of ${set.language} ${JSON.stringify(products)}`;
      if (!this.#programs.has(name)) await this.#release((other) => other.startsWith('encoder of '));
      return this.#program(name, () => this.#loadEncoder(true, products, set));
    }
    const fitted = window === 'fit' || this.#programs.has(encoderName(products, true));
    return this.#program(encoderName(products, fitted), () => this.#loadEncoder(fitted, products));
  }

  #loadEncoder(fitted: boolean, form: PartForm, set?: ExpertSet): Promise<Program> {
    const variant = { ...variantFor(form), ...(set && { experts: { ...set, gate: 'hard' as const } }) };
    const graph = encoderGraph(this.dimensions, fitted, variant);
    return this.runtime.load(inForm(graph, form), { builtIn: () => true });
  }

  /** The experts of a language, where the model has them in the encoder. */
  encoderExperts(language: string | undefined): ExpertSet | undefined {
    const set = language === undefined ? undefined : this.experts.get(language);
    return set?.part === 'decoder' ? undefined : set;
  }

  audioMemoryProgram(): Promise<Program> {
    // Its keys and values are the decoder's inputs, but its products are of many rows, as the encoder's.
    const { encoder, decoder } = this.products;
    const form = decoder === 'float16' || encoder === 'float16' ? decoder : encoder;
    return this.#program('memory', () =>
      this.runtime.load(inForm(audioMemoryGraph(this.dimensions, variantFor(form)), form), {
        ...INFERENCE,
        keeps: () => true,
      }),
    );
  }

  /** Output tokens of the decoder and their ids: all, or the target vocabulary's. */
  output(vocabulary?: TargetVocabulary): { readonly tokens: OutputTokens; readonly ids: Int32Array } {
    const known = this.#outputs.get(vocabulary);
    if (known) return known;
    const ids = vocabulary
      ? outputIds(vocabulary, this.tokens, this.dimensions.vocabulary)
      : Int32Array.from({ length: this.dimensions.vocabulary }, (_, i) => i);
    const weight = vocabulary ? `target_vocabulary.${this.#outputs.size}.weight` : TOKEN_EMBEDDING;
    const output = { tokens: outputTokens(weight, ids, this.tokens), ids };
    this.#outputs.set(vocabulary, output);
    return output;
  }

  /**
   * @param rows tokens of all texts in a step: another program may compute many
   * @param language whose experts decode. Default, and where the model has none: the shared networks. Only one program of
   * experts is kept at a time, as each has the whole decoder built in.
   * @param looped any number of greedy steps in a run (decoding-loop.ts), without timestamps
   */
  async decodingProgram(
    rows: number,
    withTimestamps: boolean,
    vocabulary?: TargetVocabulary,
    language?: string,
    looped = false,
  ): Promise<Program> {
    const { tokens, ids } = this.output(vocabulary);
    const known = language === undefined ? undefined : this.experts.get(language);
    const set = known?.part === 'encoder' ? undefined : known;
    const ofExperts = (name: string) => name.startsWith('experts ');
    const { decoder, decoderRows = Number.POSITIVE_INFINITY } = this.products;
    const form = rows > decoderRows ? 'float32' : decoder;
    const kind = looped ? 'loop' : `step ${withTimestamps}`;
    const name = `${set ? `experts ${language} ` : ''}${kind} ${tokens.weight} ${JSON.stringify(form)}`;
    if (set && !looped && !this.#programs.has(name)) await this.#release(ofExperts);
    return this.#program(name, async () => {
      if (vocabulary) await this.#storeRows(tokens.weight, ids);
      const variant = { ...variantFor(form), ...(set && { experts: { ...set, gate: 'hard' as const } }) };
      const step = decodingStepGraph(this.dimensions, tokens, withTimestamps, variant);
      const graph = inForm(step, form, [tokens.weight]);
      // Beside products of rows only some rows of the tables are read, as floats.
      const tables =
        typeof form === 'object' && form.scaled === 'rows' ? [TOKEN_EMBEDDING, tokens.weight] : [];
      return this.runtime.load(looped ? decodingLoopGraph(graph, this.dimensions, tokens) : graph, {
        ...INFERENCE,
        builtIn: (weight) => !tables.includes(weight),
        keeps: (output) => output.startsWith('present.') || output === 'logits',
      });
    });
  }

  /** Stores some rows of the token embedding as a weight of its own. */
  async #storeRows(name: string, ids: Int32Array): Promise<void> {
    const { width } = this.dimensions;
    const [embedding] = await this.runtime.read([TOKEN_EMBEDDING]);
    const all = embedding!.data as Float32Array;
    const data = new Float32Array(ids.length * width);
    ids.forEach((id, i) => data.set(all.subarray(id * width, (id + 1) * width), i * width));
    await this.runtime.store(new Map([[name, { shape: [ids.length, width], data }]]));
  }

  /** Program that selects some clips of a batch: their audio (''), or their texts ('past.'). */
  selectionProgram(prefix: '' | 'past.'): Promise<Program> {
    return this.#program(`select ${prefix}`, () =>
      this.runtime.load(inForm(selectionGraph(this.dimensions, prefix), this.products.decoder), {
        ...INFERENCE,
        keeps: () => true,
      }),
    );
  }

  /** Cross-attention scores of some heads. Default: the alignment heads (alignment-heads.ts). */
  alignmentProgram(
    heads = alignmentHeads(this.settings.generationConfig, this.dimensions).heads,
  ): Promise<Program> {
    return this.#program(`align ${JSON.stringify(heads)}`, () =>
      this.runtime.load(alignmentGraph(this.dimensions, heads), { builtIn: () => true, arena: false }),
    );
  }

  #program(name: string, load: () => Promise<Program>): Promise<Program> {
    let program = this.#programs.get(name);
    if (!program) {
      program = load();
      this.#programs.set(name, program);
    }
    return program;
  }

  /** Discards the compiled decoder, which has its weights built in: call it when they have changed. */
  decoderChanged(): Promise<void> {
    return this.#release((name) => !name.startsWith('encoder'));
  }

  /** Discards the compiled encoder and the silence it encoded: call it when the encoder's weights have changed. */
  async encoderChanged(): Promise<void> {
    this.#fingerprint = undefined;
    this.#expertFingerprints.clear();
    this.#silence.clear();
    await this.releaseEncoder();
  }

  /** Frees the compiled encoder and the memory it works in; the next `encode` compiles it again. */
  releaseEncoder(): Promise<void> {
    return this.#release((name) => name.startsWith('encoder'));
  }

  async #release(chosen: (name: string) => boolean): Promise<void> {
    for (const [name, program] of [...this.#programs]) {
      if (!chosen(name)) continue;
      this.#programs.delete(name);
      await this.runtime.unload(await program);
    }
  }

  /**
   * Encoder outputs of clips (16 kHz mono), in the order given. Clips of equal windows share a run, if no experts of
   * different languages encode them.
   */
  async encode(
    clips: readonly Float32Array[],
    window: WindowMode,
    options: EncodeOptions = {},
  ): Promise<EncodedClip[]> {
    const { languages, mask, onProgress, exact } = options;
    const results = new Array<EncodedClip>(clips.length);
    const experts = clips.map((_, i) => this.encoderExperts(languages?.[i])?.language);
    let done = 0;
    for (const [language, members] of placesBy(experts, (language) => language)) {
      const program = await this.encoderProgram(window, language, exact);
      const before = done;
      const [encoded] = await this.#encode(
        program,
        ['frames'],
        members.map((i) => clips[i]!),
        window,
        {
          ...options,
          mask: mask && ((k, mel) => mask(members[k]!, mel)),
          onProgress: (count) => onProgress?.(before + count),
        },
      );
      for (const [k, i] of members.entries()) results[i] = encoded![k]!;
      done += members.length;
    }
    return results;
  }

  /**
   * The input of the encoder's first layer and the output of each, all before the final layer norm, in one pass.
   * @returns for each layer the clips, in the order given
   */
  async encodeLayers(
    clips: readonly Float32Array[],
    window: WindowMode,
    options: EncodeOptions = {},
  ): Promise<EncodedClip[][]> {
    const program = await this.#program('encoder states', () =>
      this.runtime.load(encoderStatesGraph(this.dimensions), { builtIn: () => true }),
    );
    return this.#encode(program, program.outputs, clips, window, { ...options, exact: true });
  }

  /** Applies the final layer norm to the output of a layer, as if the encoder ended there. */
  async withFinalNorm(clip: EncodedClip): Promise<EncodedClip> {
    const program = await this.#program('encoder norm', () =>
      this.runtime.load(finalNormGraph(this.dimensions), { builtIn: () => true, arena: false }),
    );
    const states = float32(frameValues(clip), [clip.window, clip.width]);
    const { fetched } = await this.runtime.run(program, { states }, { fetch: ['frames'] });
    return { ...clip, frames: fetched.frames!.data as Float32Array };
  }

  /** The clips, in the order given, for each of the outputs. */
  async #encode(
    program: Program,
    outputs: readonly string[],
    clips: readonly Float32Array[],
    window: WindowMode,
    { onProgress, mask, signal, exact }: EncodeOptions,
  ): Promise<EncodedClip[][]> {
    const tails = window === 'fit' ? await this.silenceTails(exact) : undefined;
    const { melBins, width } = this.dimensions;
    const results = outputs.map(() => new Array<EncodedClip>(clips.length));
    let done = 0;
    let running: Promise<void> | undefined;
    const windows = clips.map((clip) => windowFrames(clip.length, window));
    for (const { window: frames, members } of windowBatches(windows)) {
      const mel = new Float32Array(members.length * melBins * 2 * frames);
      members.forEach((clip, i) => {
        const one = logMel(clips[clip]!, melBins, 2 * frames);
        mask?.(clip, one);
        mel.set(one, i * melBins * 2 * frames);
      });
      const silence = tails && silenceFeeds(tails, members.length, frames);
      // Up to here the computing thread was busy with the run before.
      await running;
      signal?.throwIfAborted();
      running = this.#runEncoder(program, mel, members.length, outputs, silence).then((fetched) => {
        outputs.forEach((name, k) => {
          const output = fetched[name]!;
          members.forEach((clip, i) => {
            results[k]![clip] = {
              frames: output.slice(i * frames * width, (i + 1) * frames * width),
              window: frames,
              length: Math.min(frames, Math.ceil(clips[clip]!.length / SAMPLES_PER_FRAME)),
              width,
            };
          });
        });
        done += members.length;
        onProgress?.(done);
      });
    }
    await running;
    return results;
  }

  /** @param mel of clips in equal windows, [clips, mel bins, 2 · frames] */
  async #runEncoder(
    program: Program,
    mel: Float32Array,
    clips: number,
    fetch: readonly string[],
    silence?: Record<string, HostTensor>,
  ): Promise<Record<string, Float32Array>> {
    const { melBins } = this.dimensions;
    const frames = mel.length / (clips * melBins * 2);
    const { fetched } = await this.runtime.run(
      program,
      {
        mel: float32(mel, [clips, melBins, 2 * frames]),
        positions: int64(Array.from({ length: frames }, (_, i) => i)),
        ...(silence ?? noSilenceFeeds(this.dimensions, clips, frames)),
      },
      { fetch },
    );
    return Object.fromEntries(fetch.map((name) => [name, fetched[name]!.data as Float32Array]));
  }

  /** Hash of the encoder's weights, which tuning the decoder does not change. */
  encoderFingerprint(): Promise<string> {
    this.#fingerprint ??= this.runtime
      .read(this.weightNames.filter((name) => name.startsWith('model.encoder.')))
      .then((weights) => {
        const hash = new Fingerprint();
        const { encoderLayers } = this.dimensions;
        if (encoderLayers < this.settings.dimensions.encoderLayers) hash.add(`exit after ${encoderLayers}`);
        for (const { data } of weights) hash.add(data);
        return hash.hex(16);
      });
    return this.#fingerprint;
  }

  /** Hash of a language's experts in the encoder. */
  expertsFingerprint(set: ExpertSet): Promise<string> {
    let found = this.#expertFingerprints.get(set.language);
    if (!found) {
      const prefix = expertPrefix(set.language);
      const names = [...expertTensors(this.dimensions, { ...set, part: 'encoder' }).keys()];
      found = this.runtime.read(names.map((name) => prefix + name)).then((weights) => {
        const hash = new Fingerprint();
        for (const { data } of weights) hash.add(data);
        return hash.hex(16);
      });
      this.#expertFingerprints.set(set.language, found);
    }
    return found;
  }

  /**
   * Encoder outputs of silence by the shared networks, computed once (a full window).
   * @param exact in float32, whatever the model's `compute`
   */
  silenceTails(exact = false): Promise<SilenceTails> {
    const products = exact ? 'float32' : this.products.encoder;
    let silence = this.#silence.get(products);
    if (!silence) {
      silence = this.#encodeSilence(exact);
      this.#silence.set(products, silence);
    }
    return silence;
  }

  async #encodeSilence(exact: boolean): Promise<SilenceTails> {
    const { melBins, encoderLayers, width } = this.dimensions;
    const layers = Array.from({ length: encoderLayers }, (_, layer) => `attended.${layer}`);
    const mel = logMel(new Float32Array(0), melBins, FULL_WINDOW_FRAMES);
    // The program for fitted windows is needed next anyway.
    const program = await this.encoderProgram('fit', undefined, exact);
    const encodedSilence = await this.#runEncoder(program, mel, 1, ['frames', ...layers]);
    return new SilenceTails(
      { output: encodedSilence.frames!, layers: layers.map((name) => encodedSilence[name]!) },
      width,
    );
  }

  /** Silence tails, where any of the clips has a window that needs one, or is not encoded yet. */
  async silenceTailsFor(clips: readonly (ReadyClip | Lazy<ReadyClip>)[]): Promise<SilenceTails | undefined> {
    const needed = clips.some((clip) => clip.window < FULL_WINDOW_POSITIONS || isMel(clip));
    return needed ? this.silenceTails() : undefined;
  }
}
