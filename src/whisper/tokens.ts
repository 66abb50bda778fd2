/** Whisper's tokens: text, the special tokens, and the prompt that tells the decoder what to do. */
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { UserError } from '../errors.ts';

export type Task = 'transcribe' | 'translate';

export class Tokens {
  readonly #tokenizer: Tokenizer;
  readonly startOfTranscript: number;
  readonly endOfText: number;
  readonly noTimestamps: number;
  /** Ids of the language tokens by code ("en", "zh"), in the order of their ids. */
  readonly languages: ReadonlyMap<string, number>;

  constructor(file: string) {
    let json: object;
    try {
      json = JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new UserError(`${file}: expected a Hugging Face tokenizer.json, but ${(error as Error).message}`);
    }
    try {
      this.#tokenizer = new Tokenizer(json, {});
    } catch (error) {
      throw new UserError(`${file}: not a tokenizer of the Hugging Face kind (${(error as Error).message})`);
    }
    this.startOfTranscript = this.#special(file, '<|startoftranscript|>');
    this.endOfText = this.#special(file, '<|endoftext|>');
    this.noTimestamps = this.#special(file, '<|notimestamps|>');
    // The language tokens stand between start-of-transcript and the first task token.
    const firstTask = this.#special(file, '<|translate|>');
    const languages = new Map<string, number>();
    for (let id = this.startOfTranscript + 1; id < firstTask; id++) {
      const code = /^<\|([a-z]{2,3})\|>$/.exec(this.#tokenizer.id_to_token(id) ?? '')?.[1];
      if (code) languages.set(code, id);
    }
    this.languages = languages;
  }

  #special(file: string, token: string): number {
    const id = this.#tokenizer.token_to_id(token);
    if (id === undefined || id === null)
      throw new UserError(`${file}: no token ${token}; expected Whisper's tokenizer`);
    return id;
  }

  /** Ids of ordinary text: what looks like a special token in it is text, too. */
  encode(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /** Text of ids, special tokens left out. */
  decode(ids: readonly number[]): string {
    const text = ids.filter((id) => id < this.endOfText);
    return text.length === 0
      ? ''
      : this.#tokenizer.decode(text, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  language(code: string): number {
    const id = this.languages.get(code);
    if (id === undefined) {
      throw new UserError(
        `language "${code}" has no token in this model; it knows ${[...this.languages.keys()].join(', ')}`,
      );
    }
    return id;
  }

  /** `<|startoftranscript|><|language|><|task|><|notimestamps|>` */
  prompt(language: string, task: Task): number[] {
    const taskId = this.#tokenizer.token_to_id(`<|${task}|>`)!;
    return [this.startOfTranscript, this.language(language), taskId, this.noTimestamps];
  }
}
