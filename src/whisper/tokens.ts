/** Whisper's tokenizer: text, special tokens, and prompts that set language and task. */
import { type AddedToken, Tokenizer } from '@huggingface/tokenizers';
import { TIMESTAMPS } from '../checkpoint/tokenizer-files.ts';
import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';

export type Task = 'transcribe' | 'translate';

/** A prompt that names special tokens, in its two parts. */
export interface FreePrompt {
  /** Tokens of the previous text, without <|startofprev|>. */
  readonly previous: readonly number[];
  /** From <|startoftranscript|> on; undefined: the prompt names no token of that part. */
  readonly transcript: readonly number[] | undefined;
}

const LANGUAGE_TOKEN = /^<\|([a-z]{2,3})\|>$/;

function isByteLevel(json: object): boolean {
  const { normalizer, pre_tokenizer: pre } = json as {
    readonly normalizer?: unknown;
    readonly pre_tokenizer?: { readonly type?: string; readonly add_prefix_space?: boolean } | null;
  };
  return !normalizer && pre?.type === 'ByteLevel' && pre.add_prefix_space === false;
}

/** By the content that they were made of: models that a program compares mostly share it. */
const tokenizers = new WeakMap<object, Tokenizer>();

function tokenizerOf(file: string, json: object): Tokenizer {
  let tokenizer = tokenizers.get(json);
  if (!tokenizer) {
    try {
      tokenizer = new Tokenizer(json, {});
    } catch (error) {
      throw new UserError(`${file}: not a tokenizer of the Hugging Face kind (${(error as Error).message})`);
    }
    tokenizers.set(json, tokenizer);
  }
  return tokenizer;
}

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
  /** Whether the bytes of a text are encoded as they are: as in every Whisper, and not with a normaliser. */
  readonly #isByteLevel: boolean;
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
    this.#tokenizer = tokenizerOf(file, json);
    this.#isByteLevel = isByteLevel(json);
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

  /** Upper bound of the number of ids of a text, without encoding it: byte-level BPE makes at most one of each byte. */
  maxCount(text: string): number {
    return this.#isByteLevel ? Buffer.byteLength(text) : Number.POSITIVE_INFINITY;
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

  #idOf(code: string): number | undefined {
    return this.languages.get(code) ?? this.#written.get(code);
  }

  /** Whether a prompt can name the language. */
  hasLanguage(code: string): boolean {
    return this.#idOf(code) !== undefined;
  }

  /** @param code or a name: `fr`, `pt-BR`, `French` */
  language(code: string): number {
    const id = this.#idOf(code) ?? this.#idOf(languageProfile(code).base);
    if (id === undefined) {
      throw new UserError(
        `language "${code}" has no token in this model; it knows ${[...this.languages.keys(), ...this.#written.keys()].join(', ')}`,
      );
    }
    return id;
  }

  /**
   * The code of the token of a language.
   * @param language a code or a name: `fr`, `pt-BR`, `French`
   * @throws UserError where the model has no token for it
   */
  codeOf(language: string): string {
    this.language(language);
    return this.hasLanguage(language) ? language : languageProfile(language).base;
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

  /** The prompt for text without timestamps. */
  withoutTimestamps(prompt: readonly number[]): number[] {
    return [...this.withTimestamps(prompt), this.noTimestamps];
  }

  /**
   * A free-form prompt: special tokens by name, such as `<|zh|><|transcribe|>`, and text as it is. What stands before
   * them, or after <|startofprev|>, is the previous text; what stands after them begins the transcript. Start of
   * transcript and <|notimestamps|> are added where they are missing.
   * @throws UserError for a special token that the model does not have
   */
  parsePrompt(prompt: string): FreePrompt {
    const parts = prompt
      .split(/(<\|[^|]*\|>)/)
      .flatMap((part): { readonly text?: string; readonly ids: readonly number[] }[] => {
        if (part === '') return [];
        if (!/^<\|[^|]*\|>$/.test(part)) return [{ text: part, ids: [] }];
        const id = this.#tokenizer.token_to_id(part) ?? this.#written.get(part.slice(2, -2));
        if (id === undefined) {
          throw new UserError(`prompt "${prompt}": this model has no token ${part}`);
        }
        return [{ ids: [id] }];
      });
    const kinds = [...this.languages.values(), ...this.#written.values(), this.noTimestamps];
    for (const task of ['transcribe', 'translate']) kinds.push(this.#tokenizer.token_to_id(`<|${task}|>`)!);
    const opening = new Set([this.startOfTranscript, ...kinds]);
    const begin = parts.findIndex(({ ids }) => opening.has(ids[0]!));
    const before = begin < 0 ? parts : parts.slice(0, begin);
    const after = begin < 0 ? [] : parts.slice(begin);
    const previous = before.flatMap(({ text, ids }) =>
      text === undefined ? ids.filter((id) => id !== this.startOfPrevious) : this.previousText(text),
    );
    if (begin < 0) return { previous, transcript: undefined };
    const transcript = after.flatMap(({ text, ids }) => (text === undefined ? ids : this.encode(text)));
    if (transcript[0] !== this.startOfTranscript) transcript.unshift(this.startOfTranscript);
    if (!transcript.includes(this.noTimestamps)) {
      // After the language and the task, before the words that are given.
      const words = transcript.findIndex((id, i) => i > 0 && !opening.has(id));
      transcript.splice(words < 0 ? transcript.length : words, 0, this.noTimestamps);
    }
    return { previous, transcript };
  }

  /** Ids of text that was said before, as OpenAI's `initial_prompt` and transformers' `get_prompt_ids`. */
  previousText(text: string): number[] {
    return text.trim() === '' ? [] : this.encode(` ${text.trim()}`);
  }

  /** Text of each token alone, special ones as their names; bytes of a character that is cut become U+FFFD. */
  decodeEach(ids: readonly number[]): string[] {
    return ids.map((id) => this.#tokenizer.decode([id], { clean_up_tokenization_spaces: false }));
  }
}
