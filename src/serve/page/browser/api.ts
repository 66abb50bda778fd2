/** What the page asks of its server over HTTP, and how it says what went wrong. */
import { type Piece, type TimedWord, withWords } from './rows.ts';

export interface Model {
  readonly id: string;
  /** Languages that it hears, as Whisper's codes. */
  readonly languages: readonly string[];
  /** The language that it translates into unless told otherwise. */
  readonly target: string;
  readonly englishFirst: boolean;
}

/** What is shown to the user instead of a result: one or two plain sentences. */
export class Failure extends Error {
  constructor(
    message: string,
    /** `unreadable`: perhaps another form of the recording is not. */
    readonly kind: 'unreachable' | 'unreadable' | 'busy' | 'refused' | 'cancelled',
    /** Seconds after which to ask again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export const GONE = 'The server does not answer. Is it still running?';

const KEY = 'whisper-transfer-key';
let key = sessionStorage.getItem(KEY) ?? '';
export const currentKey = (): string => key;

/** Asks the user for a key. @param wrong whether one was tried. @returns undefined where the user gives none */
export type AskKey = (wrong: boolean) => Promise<string | undefined>;
let asking: Promise<boolean> | undefined;
let askKey: AskKey = async () => undefined;
export function setAskKey(ask: AskKey): void {
  askKey = ask;
}

/** Two requests that are refused at once ask once. */
function newKey(tried: string): Promise<boolean> {
  if (tried !== key) return Promise.resolve(true);
  asking ??= askKey(tried !== '')
    .then((given) => {
      if (given === undefined) return false;
      key = given;
      sessionStorage.setItem(KEY, given);
      return true;
    })
    .finally(() => (asking = undefined));
  return asking;
}

/** @throws Failure */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const tried = key;
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers: tried ? { authorization: `Bearer ${tried}` } : {} });
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw new Failure('Cancelled.', 'cancelled');
      throw new Failure(GONE, 'unreachable');
    }
    if (response.ok) return response;
    if (response.status !== 401) throw await failureOf(response);
    if (!(await newKey(tried))) throw new Failure('Without its key the server answers nothing.', 'refused');
  }
}

async function failureOf(response: Response): Promise<Failure> {
  const { status } = response;
  let said = '';
  try {
    said = ((await response.json()) as { error?: { message?: string } }).error?.message ?? '';
  } catch {
    // Not of our server: a proxy's page says nothing to the user.
  }
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  if (status === 429 || status === 503) {
    const when = retryAfter === undefined ? 'in a moment' : `in ${retryAfter} s`;
    return new Failure(`The server is busy. Try again ${when}.`, 'busy', retryAfter ?? 5);
  }
  if (status === 413) return new Failure('The recording is too large for this server.', 'unreadable');
  if (status >= 500) return new Failure(GONE, 'unreachable', retryAfter);
  return new Failure(
    said || `The server refused the recording (${status}).`,
    status === 400 ? 'unreadable' : 'refused',
  );
}

interface ListedModel {
  readonly id: string;
  /** The id that this one is another name of. */
  readonly root?: string;
  readonly languages: readonly string[];
  readonly target: string;
  readonly english_first: boolean;
}

/** @throws Failure */
export async function servedModels(): Promise<Model[]> {
  const { data } = (await (await request('/v1/models')).json()) as { data: readonly ListedModel[] };
  return data
    .filter(({ root }) => root === undefined)
    .map(({ id, languages, target, english_first }) => ({
      id,
      languages,
      target,
      englishFirst: english_first,
    }));
}

export interface SpeechRequest {
  readonly recording: Blob;
  readonly name: string;
  readonly model: string;
  readonly task: 'transcribe' | 'translate';
  /** The language spoken. Default: detected. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly signal: AbortSignal;
}

/** Text of a recording, as far as it is known. */
export interface SpeechText {
  readonly pieces: readonly Piece[];
  /** Of a model that writes English before its translation. */
  readonly english: readonly Piece[];
  /** The language spoken, as Whisper's code, once all is read. */
  readonly language?: string | undefined;
}

interface AnsweredWord {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

const timedWord = ({ word, start, end }: AnsweredWord): TimedWord => ({ start, end, text: word });

/** Events of the stream: OpenAI's, and what this server adds to them. */
type SpeechEvent =
  | {
      readonly type: 'transcript.text.segment';
      readonly start: number;
      readonly end: number;
      readonly text: string;
      readonly english?: string;
      readonly words?: readonly AnsweredWord[];
      readonly english_words?: readonly AnsweredWord[];
    }
  | { readonly type: 'transcript.text.done'; readonly languages?: readonly { readonly code: string }[] }
  | { readonly error: { readonly message: string } };

/**
 * Transcribes or translates a recording.
 * @param onText all of the text so far
 * @throws Failure
 */
export async function speech(
  { recording, name, model, task, from, to, signal }: SpeechRequest,
  onText: (text: SpeechText) => void,
): Promise<SpeechText> {
  const form = new FormData();
  form.set('model', model);
  form.set('response_format', 'verbose_json');
  form.set('stream', 'true');
  form.append('timestamp_granularities[]', 'word');
  form.append('timestamp_granularities[]', 'segment');
  if (from) form.set('language', from);
  if (task === 'translate' && to) form.set('to_language', to);
  form.set('file', recording, name);
  const path = task === 'translate' ? '/v1/audio/translations' : '/v1/audio/transcriptions';
  const response = await request(path, { method: 'POST', body: form, signal });
  const pieces: Piece[] = [];
  const english: Piece[] = [];
  let language: string | undefined;
  try {
    for await (const event of eventsOf(response.body!)) {
      if ('error' in event) throw new Failure(event.error.message, 'refused');
      if (event.type === 'transcript.text.done') language = event.languages?.[0]?.code;
      if (event.type !== 'transcript.text.segment') continue;
      const { start, end, text, words = [], english_words = [] } = event;
      const first = event.english?.trim();
      const before = first && withWords({ start, end, text: first }, english_words.map(timedWord));
      const piece = { start, end, text: text.trim(), ...(before && { english: before }) };
      if (piece.text !== '') pieces.push(withWords(piece, words.map(timedWord)));
      if (before) english.push(before);
      onText({ pieces: [...pieces], english: [...english] });
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (signal.aborted) throw new Failure('Cancelled.', 'cancelled');
    throw new Failure(GONE, 'unreachable');
  }
  return { pieces, english, language };
}

/** The JSON of server-sent events. */
async function* eventsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<SpeechEvent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (pending + value).split('\n');
    pending = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith('data: {')) yield JSON.parse(line.slice(6)) as SpeechEvent;
    }
  }
}
