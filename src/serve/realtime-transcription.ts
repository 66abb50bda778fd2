/**
 * `/v1/realtime?intent=transcription`: OpenAI's realtime transcription. With turn detection each utterance is an item, without
 * it what was sent between two commits. An item's text comes while it is spoken, and is never taken back.
 */
import { z } from 'zod';
import { liveDefaults } from '../live/defaults.ts';
import type { LiveEvent } from '../live/events.ts';
import { badRequest } from './api-error.ts';
import type { Serving } from './app.ts';
import { type Connection, newId, type SocketSession } from './connection.ts';
import { LiveFeed } from './live-feed.ts';
import { type CheckedStream, liveRequest, tooMuchSound } from './live-request.ts';
import {
  checked,
  type Message,
  noiseReduction,
  REALTIME_RATE,
  RealtimeChannel,
  soundOf,
  unknownEvent,
} from './realtime.ts';

const transcription = z
  .looseObject({
    model: z.string().nullish(),
    language: z.string().nullish(),
    prompt: z.string().max(4000).nullish(),
  })
  .nullish();

/** What a pause is, the server knows; that utterances are told apart at all, the client says. */
const turnDetection = z
  .looseObject({ type: z.literal('server_vad', 'expected server_vad or null').default('server_vad') })
  .nullish();

const update = z.looseObject({
  type: z.literal('transcription', 'expected transcription: this server does not speak').optional(),
  audio: z
    .looseObject({
      input: z
        .looseObject({
          format: z
            .looseObject({
              type: z.literal('audio/pcm', 'expected audio/pcm'),
              rate: z.literal(REALTIME_RATE, `expected ${REALTIME_RATE}`).optional(),
            })
            .nullish(),
          transcription,
          turn_detection: turnDetection,
          noise_reduction: noiseReduction,
        })
        .optional(),
    })
    .optional(),
  include: z.array(z.string()).nullish(),
});

/** The names of before August 2025, which clients still use. */
const legacyUpdate = z.looseObject({
  input_audio_format: z.literal('pcm16', 'expected pcm16').optional(),
  input_audio_transcription: transcription,
  turn_detection: turnDetection,
  input_audio_noise_reduction: noiseReduction,
  include: z.array(z.string()).nullish(),
});

interface Config {
  readonly model: string | undefined;
  readonly language: string | undefined;
  readonly prompt: string | undefined;
  readonly detectsTurns: boolean;
  readonly noise_reduction: unknown;
}

const KNOWN = [
  'session.update',
  'transcription_session.update',
  'input_audio_buffer.append',
  'input_audio_buffer.commit',
  'input_audio_buffer.clear',
];

/** One stream of the engine, and the items that its events are of. */
interface Part {
  readonly feed: LiveFeed;
  /** Seconds of the session's sound before it. */
  readonly offset: number;
  /** Without turn detection: the item that it is. */
  readonly item: Item | undefined;
  /** By number of the utterance. */
  readonly utterances: Map<number, Item>;
}

interface Item {
  readonly id: string;
  /** The text so far; deltas joined. */
  text: string;
  seconds: number;
}

export function transcriptionSession(serving: Serving, connection: Connection): SocketSession {
  return new TranscriptionSession(serving, connection);
}

class TranscriptionSession implements SocketSession {
  readonly #id = newId('sess');
  readonly #channel: RealtimeChannel;
  /** Streams that are still told of; the last may be open. */
  readonly #parts = new Set<Part>();
  #open: Part | undefined;
  #config: Config;
  #seconds = 0;
  #previousItem: string | null = null;
  #isEnding = false;

  constructor(
    private readonly serving: Serving,
    private readonly connection: Connection,
  ) {
    this.#channel = new RealtimeChannel(connection);
    const { searchParams } = connection.url;
    this.#config = {
      model: searchParams.get('model') ?? undefined,
      language: undefined,
      prompt: undefined,
      detectsTurns: true,
      noise_reduction: null,
    };
    const intent = searchParams.get('intent');
    if (intent !== null && intent !== 'transcription')
      throw badRequest(
        `intent: found ${JSON.stringify(intent.slice(0, 60))}; expected transcription`,
        'intent',
      );
    // Known at once, not when somebody has spoken.
    this.#request();
    const isLegacy = /realtime=v1/.test(String(connection.headers['openai-beta'] ?? ''));
    this.#channel.send(isLegacy ? 'transcription_session.created' : 'session.created', {
      session: isLegacy ? this.#legacyShape() : this.#shape(),
    });
  }

  bytes(): void {
    this.connection.tell(badRequest('found a binary message; expected events in JSON'));
  }

  text(text: string): void {
    this.#channel.receive(text, (message) => this.#act(message));
  }

  end(): void {
    this.#isEnding = true;
    if (this.#open && !this.#open.item) this.#open.feed.end();
    // What was not committed is not asked for.
    else this.#drop();
    this.#closeWhereTold();
  }

  closed(): void {
    for (const { feed } of this.#parts) feed.close();
  }

  #act(message: Message): void {
    switch (message.type) {
      case 'session.update': {
        const { audio: { input = {} } = {} } = checked(update, message.session ?? {}, 'session');
        this.#update(input);
        this.#channel.send('session.updated', { session: this.#shape() });
        return;
      }
      case 'transcription_session.update': {
        const legacy = checked(legacyUpdate, message.session ?? {}, 'session');
        this.#update({
          ...legacy,
          ...('input_audio_transcription' in legacy && { transcription: legacy.input_audio_transcription }),
          ...('input_audio_noise_reduction' in legacy && {
            noise_reduction: legacy.input_audio_noise_reduction,
          }),
        });
        this.#channel.send('transcription_session.updated', { session: this.#legacyShape() });
        return;
      }
      case 'input_audio_buffer.append':
        this.#append(soundOf(message));
        return;
      case 'input_audio_buffer.commit':
        this.#commit();
        return;
      case 'input_audio_buffer.clear':
        this.#drop();
        this.#channel.send('input_audio_buffer.cleared');
        return;
      default:
        throw unknownEvent(message, KNOWN);
    }
  }

  #update(given: {
    readonly transcription?: z.infer<typeof transcription>;
    readonly turn_detection?: z.infer<typeof turnDetection>;
    readonly noise_reduction?: unknown;
  }): void {
    const before = this.#config;
    const { transcription: asked } = given;
    const config: Config = {
      // What is not named stays; null goes back to what the server does by itself.
      model: asked?.model ?? before.model,
      language: asked && 'language' in asked ? (asked.language ?? undefined) : before.language,
      prompt: asked && 'prompt' in asked ? (asked.prompt ?? undefined) : before.prompt,
      detectsTurns: 'turn_detection' in given ? given.turn_detection !== null : before.detectsTurns,
      noise_reduction: 'noise_reduction' in given ? (given.noise_reduction ?? null) : before.noise_reduction,
    };
    this.#config = config;
    try {
      this.#request();
    } catch (error) {
      this.#config = before;
      throw error;
    }
    const same = (['model', 'language', 'prompt', 'detectsTurns'] as const).every(
      (name) => before[name] === config[name],
    );
    if (same || !this.#open) return;
    // What was said so far is told as it was asked for; what comes is another stream.
    if (this.#open.item) this.#commit();
    else this.#finish();
  }

  #request(): CheckedStream {
    const { model, language, prompt } = this.#config;
    return liveRequest(this.serving.engine.models, {
      task: 'transcribe',
      model,
      from: language,
      prompt,
    });
  }

  #append(sound: Buffer): void {
    if (sound.length === 0 || this.#isEnding) return;
    const part = (this.#open ??= this.#begin());
    const before = part.feed.seconds;
    part.feed.push(sound);
    this.#seconds += part.feed.seconds - before;
    if (part.item) part.item.seconds = part.feed.seconds;
    this.connection.heard(this.#seconds);
    const tooLong = tooMuchSound(this.#seconds, this.serving.limits);
    if (tooLong) this.connection.fail(tooLong);
  }

  #begin(): Part {
    const { request, secrets } = this.#request();
    const feed = new LiveFeed(this.serving.engine, request, REALTIME_RATE, {
      onEvent: (event) => this.#tell(part, event),
      onEnd: (error) => {
        this.#parts.delete(part);
        if (this.#open === part) this.#open = undefined;
        if (error !== undefined) this.#fail(part, error, secrets);
        else if (part.item) this.#complete(part.item);
        this.#closeWhereTold();
      },
      onFull: (full) => this.connection.pause(full),
    });
    const part: Part = {
      feed,
      offset: this.#seconds,
      item: this.#config.detectsTurns ? undefined : { id: newId('item'), text: '', seconds: 0 },
      utterances: new Map(),
    };
    this.#parts.add(part);
    return part;
  }

  #commit(): void {
    const part = this.#open;
    if (!part)
      throw badRequest('found no sound since the last commit; expected input_audio_buffer.append before it');
    if (!part.item) {
      part.feed.commit();
      return;
    }
    this.#committed(part.item);
    this.#finish();
  }

  #finish(): void {
    this.#open?.feed.end();
    this.#open = undefined;
  }

  #drop(): void {
    if (!this.#open) return;
    this.#open.feed.close();
    this.#parts.delete(this.#open);
    this.#open = undefined;
  }

  #tell(part: Part, event: LiveEvent): void {
    const milliseconds = (seconds: number): number => Math.round((part.offset + seconds) * 1000);
    if (event.type === 'mode') return;
    const item = part.item ?? this.#itemOf(part, event.utterance);
    if (event.type === 'text') {
      this.serving.metrics.lag(event.lag);
      this.#delta(item, event.text.committed);
      return;
    }
    if (part.item) return;
    if (event.type === 'speech-start') {
      const audio_start_ms = milliseconds(event.time);
      this.#channel.send('input_audio_buffer.speech_started', { audio_start_ms, item_id: item.id });
      return;
    }
    item.seconds = event.end - event.start;
    const audio_end_ms = milliseconds(event.end);
    this.#channel.send('input_audio_buffer.speech_stopped', { audio_end_ms, item_id: item.id });
    this.#committed(item);
    this.#complete(item);
    part.utterances.delete(event.utterance);
  }

  #itemOf({ utterances }: Part, utterance: number): Item {
    const known = utterances.get(utterance);
    if (known) return known;
    const item: Item = { id: newId('item'), text: '', seconds: 0 };
    utterances.set(utterance, item);
    return item;
  }

  #delta(item: Item, committed: string): void {
    // The space that parts it from the item before is not its own.
    const delta = item.text === '' ? committed.trimStart() : committed;
    if (delta === '') return;
    item.text += delta;
    const about = { item_id: item.id, content_index: 0 };
    this.#channel.send('conversation.item.input_audio_transcription.delta', { ...about, delta });
  }

  #committed({ id }: Item): void {
    this.#channel.send('input_audio_buffer.committed', { item_id: id, previous_item_id: this.#previousItem });
    this.#previousItem = id;
  }

  #complete({ id, text, seconds }: Item): void {
    this.#channel.send('conversation.item.input_audio_transcription.completed', {
      ...{ item_id: id, content_index: 0, transcript: text.trimEnd() },
      usage: { type: 'duration', seconds: Math.ceil(seconds) },
    });
  }

  #fail({ item, utterances }: Part, error: unknown, secrets: CheckedStream['secrets']): void {
    for (const { id } of item ? [item] : utterances.values())
      this.#channel.send('conversation.item.input_audio_transcription.failed', {
        ...{ item_id: id, content_index: 0 },
        error: { type: 'server_error', message: 'the sound of this item was not transcribed' },
      });
    this.connection.fail(error, { secrets });
  }

  #closeWhereTold(): void {
    if (this.#isEnding && this.#parts.size === 0) this.connection.close(1001, 'the server closes');
  }

  #shape(): object {
    const { detectsTurns, noise_reduction } = this.#config;
    return {
      ...{ type: 'transcription', object: 'realtime.transcription_session', id: this.#id },
      audio: {
        input: {
          format: { type: 'audio/pcm', rate: REALTIME_RATE },
          transcription: this.#transcriptionShape(),
          noise_reduction,
          turn_detection: detectsTurns ? TURN_DETECTION : null,
        },
      },
    };
  }

  #legacyShape(): object {
    const { detectsTurns, noise_reduction } = this.#config;
    return {
      ...{ object: 'realtime.transcription_session', id: this.#id },
      input_audio_format: 'pcm16',
      input_audio_transcription: this.#transcriptionShape(),
      input_audio_noise_reduction: noise_reduction,
      turn_detection: detectsTurns ? TURN_DETECTION : null,
    };
  }

  #transcriptionShape(): object {
    const { language = null, prompt = '' } = this.#config;
    return { model: this.#request().model.id, language, prompt };
  }
}

/** As this server detects turns, whatever was asked. */
const TURN_DETECTION = { type: 'server_vad', silence_duration_ms: liveDefaults.silence * 1000 };
