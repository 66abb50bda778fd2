/**
 * `/v1/realtime/translations`: OpenAI's realtime translation, as text. What is told is appended; with `input.transcription` the
 * words spoken are told, too: the English of a model that writes English first, else a transcription beside the translation.
 */
import { z } from 'zod';
import { languageProfile, namedLanguage } from '../language/profile.ts';
import type { LiveEvent, LiveText } from '../live/events.ts';
import { badRequest } from './api-error.ts';
import type { Serving } from './app.ts';
import { type Connection, newId, type SocketSession } from './connection.ts';
import { LiveFeed } from './live-feed.ts';
import { type AskedStream, type CheckedStream, liveRequest, tooMuchSound } from './live-request.ts';
import {
  checked,
  type Message,
  noiseReduction,
  REALTIME_RATE,
  RealtimeChannel,
  soundOf,
  unknownEvent,
} from './realtime.ts';

const update = z.looseObject({
  audio: z
    .looseObject({
      input: z
        .looseObject({
          transcription: z.looseObject({ model: z.string().optional() }).nullish(),
          noise_reduction: noiseReduction,
        })
        .optional(),
      output: z.looseObject({ language: z.string().optional() }).optional(),
    })
    .optional(),
});

const KNOWN = ['session.update', 'session.input_audio_buffer.append', 'session.close'];

interface Config {
  readonly language: string | undefined;
  readonly transcription: { readonly model?: string | undefined } | null;
  readonly noise_reduction: unknown;
}

/** A text that is told, and its events. */
type Transcript = 'session.input_transcript.delta' | 'session.output_transcript.delta';

export function translationSession(serving: Serving, connection: Connection): SocketSession {
  return new TranslationSession(serving, connection);
}

class TranslationSession implements SocketSession {
  readonly #id = newId('sess');
  readonly #expires: number;
  readonly #channel: RealtimeChannel;
  /** Streams of the engine that are still told of. */
  readonly #feeds = new Set<LiveFeed>();
  readonly #told = new Set<Transcript>();
  #open: readonly LiveFeed[] = [];
  #config: Config = { language: undefined, transcription: null, noise_reduction: null };
  #seconds = 0;
  #isEnding = false;

  constructor(
    private readonly serving: Serving,
    private readonly connection: Connection,
  ) {
    this.#channel = new RealtimeChannel(connection);
    this.#expires = Math.floor(Date.now() / 1000 + serving.limits.maxDuration);
    const { model } = this.#translation();
    this.#channel.send('session.created', { session: this.#shape(model.id) });
  }

  bytes(): void {
    this.connection.tell(badRequest('found a binary message; expected events in JSON'));
  }

  text(text: string): void {
    this.#channel.receive(text, (message) => this.#act(message));
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#finish();
    this.#closeWhereTold();
  }

  closed(): void {
    for (const feed of this.#feeds) feed.close();
  }

  #act(message: Message): void {
    switch (message.type) {
      case 'session.update':
        this.#update(checked(update, message.session ?? {}, 'session'));
        this.#channel.send('session.updated', { session: this.#shape(this.#translation().model.id) });
        return;
      case 'session.input_audio_buffer.append':
        this.#append(soundOf(message));
        return;
      case 'session.close':
        this.end();
        return;
      default:
        throw unknownEvent(message, KNOWN);
    }
  }

  #update({ audio: { input = {}, output = {} } = {} }: z.infer<typeof update>): void {
    const before = this.#config;
    const { language = before.language } = output;
    const named =
      language === undefined ? undefined : namedLanguage(language, 'session.audio.output.language: ').code;
    this.#config = {
      language: named,
      transcription: 'transcription' in input ? (input.transcription ?? null) : before.transcription,
      noise_reduction: 'noise_reduction' in input ? (input.noise_reduction ?? null) : before.noise_reduction,
    };
    try {
      this.#requests();
    } catch (error) {
      this.#config = before;
      throw error;
    }
    const { transcription } = this.#config;
    const same = before.language === named && before.transcription?.model === transcription?.model;
    if (same && Boolean(before.transcription) === Boolean(transcription)) return;
    // What was said so far is told as it was asked for; what comes are other streams.
    this.#finish();
  }

  #asked(stream: AskedStream): CheckedStream {
    return liveRequest(this.serving.engine.models, stream);
  }

  #translation(): CheckedStream {
    const model = this.connection.url.searchParams.get('model') ?? undefined;
    return this.#asked({ task: 'translate', model, to: this.#config.language });
  }

  /** The translation, and where it is asked for and not a by-product the transcription. */
  #requests(): readonly [CheckedStream, ...CheckedStream[]] {
    const translation = this.#translation();
    const { transcription } = this.#config;
    if (!transcription || translation.model.englishFirst) return [translation];
    // OpenAI's clients name its own models here.
    const { models } = this.serving.engine;
    const model = models.find(({ id }) => id === transcription.model)?.id ?? translation.model.id;
    return [translation, this.#asked({ task: 'transcribe', model })];
  }

  #append(sound: Buffer): void {
    if (sound.length === 0) return;
    if (this.#isEnding) throw badRequest('found sound after session.close');
    if (this.#open.length === 0) this.#open = this.#begin();
    const before = this.#open[0]!.seconds;
    for (const feed of this.#open) feed.push(sound);
    this.#seconds += this.#open[0]!.seconds - before;
    this.connection.heard(this.#seconds);
    const tooLong = tooMuchSound(this.#seconds, this.serving.limits);
    if (tooLong) this.connection.fail(tooLong);
  }

  #begin(): LiveFeed[] {
    const [translation, ...transcriptions] = this.#requests();
    const { target } = translation.model;
    const spaces = languageProfile(this.#config.language ?? target).spaces;
    const withEnglish = this.#config.transcription !== null && translation.model.englishFirst;
    const first = new Set<Transcript>(this.#told);
    const feeds = [
      this.#feed(translation, (event, offset) => {
        this.serving.metrics.lag(event.lag);
        if (withEnglish && event.english)
          this.#tell('session.input_transcript.delta', event.english, first, true, offset + event.time);
        this.#tell('session.output_transcript.delta', event.text, first, spaces, offset + event.time);
      }),
    ];
    for (const transcription of transcriptions)
      feeds.push(
        this.#feed(transcription, (event, offset) => {
          const spoken = languageProfile(event.language ?? 'en').spaces;
          this.#tell('session.input_transcript.delta', event.text, first, spoken, offset + event.time);
        }),
      );
    return feeds;
  }

  #feed(
    { request, secrets }: CheckedStream,
    tell: (event: LiveEvent & { readonly type: 'text' }, offset: number) => void,
  ): LiveFeed {
    /** Seconds of the session's sound before it. */
    const offset = this.#seconds;
    const feed: LiveFeed = new LiveFeed(this.serving.engine, request, REALTIME_RATE, {
      onEvent: (event) => {
        if (event.type === 'text') tell(event, offset);
      },
      onEnd: (error) => {
        this.#feeds.delete(feed);
        if (error !== undefined) this.connection.fail(error, { secrets });
        this.#closeWhereTold();
      },
      onFull: (full) => this.connection.pause(full),
    });
    this.#feeds.add(feed);
    return feed;
  }

  /** @param before texts that streams before this one have told: they are parted from it */
  #tell(
    type: Transcript,
    { committed }: LiveText,
    before: Set<Transcript>,
    spaces: boolean,
    seconds: number,
  ): void {
    if (committed === '') return;
    const parted = before.delete(type) && spaces && !/^\s/.test(committed);
    this.#told.add(type);
    const delta = parted ? ` ${committed}` : committed;
    this.#channel.send(type, { delta, elapsed_ms: Math.round(seconds * 1000) });
  }

  #finish(): void {
    for (const feed of this.#open) feed.end();
    this.#open = [];
  }

  #closeWhereTold(): void {
    if (!this.#isEnding || this.#feeds.size > 0) return;
    this.#channel.send('session.closed');
    this.connection.close(1000, 'the session has ended');
  }

  #shape(model: string): object {
    const { language = this.#translation().model.target, transcription, noise_reduction } = this.#config;
    return {
      ...{ id: this.#id, type: 'translation', model, expires_at: this.#expires },
      audio: { input: { transcription, noise_reduction }, output: { language } },
    };
  }
}
