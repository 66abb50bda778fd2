/** The state of a batch of texts that are being decoded. */
import { float32, type HostTensor, int64, type Resident } from '../graph/runtime.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { causalBias } from '../whisper/causal-bias.ts';
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';

/** Audio memory and token cache stay in the computing thread. */
export class DecodingSession {
  readonly #past: Record<string, Resident | HostTensor> = {};
  #length = 0;

  private constructor(
    private readonly model: WhisperModel,
    private batch: number,
    private memory: Readonly<Record<string, Resident>>,
    private frameBias: HostTensor,
  ) {
    const { decoderHeads, decoderLayers, width } = model.dimensions;
    const headWidth = width / decoderHeads;
    for (let layer = 0; layer < decoderLayers; layer++) {
      this.#past[`past.keys.${layer}`] = float32(new Float32Array(0), [batch, decoderHeads, headWidth, 0]);
      this.#past[`past.values.${layer}`] = float32(new Float32Array(0), [batch, decoderHeads, 0, headWidth]);
    }
  }

  static async start(
    model: WhisperModel,
    clips: readonly EncodedClip[],
    silenceTail: boolean,
  ): Promise<DecodingSession> {
    const tails = silenceTail ? await model.silenceTailsFor(clips) : undefined;
    const { frames, frameBias } = audioBatch(clips, tails);
    const program = await model.audioMemoryProgram();
    const { kept } = await model.runtime.run(program, { frames }, { keep: program.outputs });
    return new DecodingSession(model, clips.length, kept, frameBias);
  }

  /**
   * Appends tokens to each text, equally many.
   * @param suppression [vocabulary], added to the logits before the best token is chosen
   * @param fetch what to bring here of what comes after the last token of each text
   */
  async step<Name extends 'logits' | 'best' | 'logProbability'>(
    tokens: readonly (readonly number[])[],
    suppression: Float32Array,
    fetch: readonly Name[],
  ): Promise<Record<Name, HostTensor['data']>> {
    const count = tokens[0]!.length;
    const program = await this.model.decodingProgram();
    const shape = [this.batch, count];
    const feeds: Record<string, HostTensor | Resident> = {
      tokens: int64(tokens.flat(), shape),
      positions: int64(
        tokens.flatMap((text) => text.map((_, i) => this.#length + i)),
        shape,
      ),
      rows: int64(tokens.map((_, i) => i * count + count - 1)),
      textBias: causalBias(count, this.#length),
      suppression: float32(suppression, [suppression.length]),
      frameBias: this.frameBias,
      ...this.memory,
      ...this.#past,
    };
    const { fetched, kept } = await this.model.runtime.run(program, feeds, {
      fetch,
      keep: program.outputs.filter((name) => name.startsWith('present.')),
      free: Object.values(this.#past).filter((value) => !('data' in value)) as Resident[],
    });
    for (const [name, value] of Object.entries(kept)) this.#past[name.replace('present', 'past')] = value;
    this.#length += count;
    return Object.fromEntries(fetch.map((name) => [name, fetched[name]!.data])) as Record<
      Name,
      HostTensor['data']
    >;
  }

  /** Goes on with only the given texts of the batch, in that order. */
  async select(rows: readonly number[]): Promise<void> {
    const program = await this.model.selectionProgram();
    const names = Object.keys(this.memory);
    const residents = { ...this.memory, ...this.#past } as Record<string, Resident>;
    const { kept } = await this.model.runtime.run(
      program,
      { ...residents, rows: int64(rows) },
      { keep: program.outputs, free: Object.values(residents) },
    );
    this.memory = Object.fromEntries(names.map((name) => [name, kept[`selected.${name}`]!]));
    for (const name of Object.keys(this.#past)) this.#past[name] = kept[`selected.${name}`]!;
    const frames = this.frameBias.shape[3]!;
    const bias = this.frameBias.data as Float32Array;
    const selected = new Float32Array(rows.length * frames);
    rows.forEach((row, i) => selected.set(bias.subarray(row * frames, (row + 1) * frames), i * frames));
    this.frameBias = float32(selected, [rows.length, 1, 1, frames]);
    this.batch = rows.length;
  }

  async end(): Promise<void> {
    const past = Object.values(this.#past).filter((value) => !('data' in value)) as Resident[];
    await this.model.runtime.free([...past, ...Object.values(this.memory)]);
  }
}
