/** Whisper's tokenizer: text, special tokens, and prompts that set language and task. */
import { type AddedToken, Tokenizer } from '@huggingface/tokenizers';
import { TIMESTAMPS } from '../checkpoint/tokenizer-files.ts';
import { UserError } from '../errors.ts';

export type Task = 'transcribe' | 'translate';

const LANGUAGE_TOKEN = /^<\|([a-z]{2,3})\|>$/;

export class Tokens {
  readonly #tokenizer: Tokenizer;
  readonly startOfTranscript: number;
  readonly endOfText: number;
  readonly noTimestamps: number;
  /** <|nospeech|>: its probability after the start of transcript is that of a window without speech. */
  readonly noSpeech: number;
  /** <|0.00|>; the others follow in steps of 0.02 s, up to <|30.00|>. */
  readonly firstTimestamp: number;
  /** <|30.00|>; tokens that a fine-tuning added come after it. */
  readonly lastTimestamp: number;
  /** <|startofprev|>: precedes the previous text, which is given as context. */
  readonly startOfPrevious: number;
  /** Ids of the language tokens by code ("en", "zh"), in the order of their ids. */
  readonly languages: ReadonlyMap<string, number>;
  /** Ids after the timestamps that are text. */
  readonly #addedText: ReadonlySet<number>;
  /** Further languages, for prompts only, with a new token or that of another language (language-token.ts). */
  readonly #written: ReadonlyMap<string, number>;

  /**
   * @param file for messages
   * @param json the content of a tokenizer.json
   * @param languageIds the generation config's `lang_to_id`: it may name more languages than Whisper has
   */
  constructor(file: string, json: object, languageIds: Readonly<Record<string, unknown>> = {}) {
    try {
      this.#tokenizer = new Tokenizer(json, {});
    } catch (error) {
      throw new UserError(`${file}: not a tokenizer of the Hugging Face kind (${(error as Error).message})`);
    }
    this.startOfTranscript = this.#special(file, '<|startoftranscript|>');
    this.endOfText = this.#special(file, '<|endoftext|>');
    this.noTimestamps = this.#special(file, '<|notimestamps|>');
    // <|nospeech|> is called <|nocaptions|> in some files; its place is the same in all.
    this.noSpeech = this.noTimestamps - 1;
    this.firstTimestamp = this.noTimestamps + 1;
    this.lastTimestamp = this.noTimestamps + TIMESTAMPS;
    this.#addedText = new Set(
      this.#tokenizer.added_tokens
        .filter(({ id, special }: AddedToken) => id > this.lastTimestamp && !special)
        .map(({ id }: AddedToken) => id),
    );
    this.startOfPrevious = this.#special(file, '<|startofprev|>');
    // The language tokens stand between start-of-transcript and the first task token.
    const firstTask = this.#special(file, '<|translate|>');
    const languages = new Map<string, number>();
    for (let id = this.startOfTranscript + 1; id < firstTask; id++) {
      const code = LANGUAGE_TOKEN.exec(this.#tokenizer.id_to_token(id) ?? '')?.[1];
      if (code) languages.set(code, id);
    }
    this.languages = languages;
    this.#written = new Map(
      Object.entries(languageIds).flatMap(([token, id]): [string, number][] => {
        const code = LANGUAGE_TOKEN.exec(token)?.[1];
        return code === undefined || languages.has(code) || !Number.isInteger(id)
          ? []
          : [[code, id as number]];
      }),
    );
  }

  #special(file: string, token: string): number {
    const id = this.#tokenizer.token_to_id(token);
    if (id === undefined || id === null)
      throw new UserError(`${file}: no token ${token}; expected Whisper's tokenizer`);
    return id;
  }

  /** Ids of ordinary text; special tokens in it are encoded as text, too. */
  encode(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /** Whether an id is text: no special token, no timestamp. Fine-tuning may have added text after the timestamps. */
  isText(id: number): boolean {
    return id < this.endOfText || this.#addedText.has(id);
  }

  /** Whether the tokenizer has a token of this id, or it is a timestamp; others are padding of the embedding. */
  isKnown(id: number): boolean {
    return id <= this.lastTimestamp || this.#tokenizer.id_to_token(id) !== undefined;
  }

  /** Text of ids, without special tokens. */
  decode(ids: readonly number[]): string {
    const text = ids.filter((id) => this.isText(id));
    return text.length === 0
      ? ''
      : this.#tokenizer.decode(text, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  /** Whether a prompt can name the language. */
  hasLanguage(code: string): boolean {
    return this.languages.has(code) || this.#written.has(code);
  }

  language(code: string): number {
    const id = this.languages.get(code) ?? this.#written.get(code);
    if (id === undefined) {
      throw new UserError(
        `language "${code}" has no token in this model; it knows ${[...this.languages.keys(), ...this.#written.keys()].join(', ')}`,
      );
    }
    return id;
  }

  /** The first language that a prompt names; undefined: none. */
  languageOf(prompt: readonly number[]): string | undefined {
    const codes = new Map([...this.#written, ...this.languages].map(([code, id]) => [id, code]));
    return prompt.map((id) => codes.get(id)).find((code) => code !== undefined);
  }

  /**
   * `<|startoftranscript|><|language|><|task|><|notimestamps|>`; several languages, for code-switched speech, one
   * after the other. For text with timestamps the last token is removed (`withTimestamps`).
   */
  prompt(languages: string | readonly string[], task: Task): number[] {
    const taskId = this.#tokenizer.token_to_id(`<|${task}|>`)!;
    const ids = [languages].flat().map((code) => this.language(code));
    return [this.startOfTranscript, ...ids, taskId, this.noTimestamps];
  }

  /** The prompt for text with timestamps. */
  withTimestamps(prompt: readonly number[]): number[] {
    return prompt.filter((id) => id !== this.noTimestamps);
  }

  /**
   * A free-form prompt: special tokens by name, such as `<|zh|><|transcribe|>`, and text between them as it is. Start
   * of transcript and <|notimestamps|> are added where they are missing.
   * @throws UserError for a special token that the model does not have
   */
  parsePrompt(text: string): number[] {
    const ids = text.split(/(<\|[^|]*\|>)/).flatMap((part) => {
      if (part === '') return [];
      if (!/^<\|[^|]*\|>$/.test(part)) return this.encode(part);
      const id = this.#tokenizer.token_to_id(part) ?? this.#written.get(part.slice(2, -2));
      if (id === undefined) {
        throw new UserError(`prompt "${text}": this model has no token ${part}`);
      }
      return [id];
    });
    if (!ids.includes(this.startOfTranscript)) ids.unshift(this.startOfTranscript);
    if (!ids.includes(this.noTimestamps)) ids.push(this.noTimestamps);
    return ids;
  }

  /** Text of each token alone, special ones as their names; bytes of a character that is cut become U+FFFD. */
  decodeEach(ids: readonly number[]): string[] {
    return ids.map((id) => this.#tokenizer.decode([id], { clean_up_tokenization_spaces: false }));
  }
}
