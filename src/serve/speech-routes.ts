/** `/v1/audio/transcriptions` and `/v1/audio/translations`: a form with a recording in, its text out. */
import type { Context, Handler } from 'hono';
import { statedDuration } from '../audio/audio-file.ts';
import type { Segment, Transcript } from '../decoding/transcript.ts';
import { languageProfile } from '../language/profile.ts';
import type { Task } from '../whisper/tokens.ts';
import { apiErrorOf, badRequest, isFault, type Secret, tookTooLong, tooMany } from './api-error.ts';
import type { AppEnv, Serving } from './app.ts';
import type { ServedModel, SpeechRequest } from './engine.ts';
import { EVENT_STREAM_HEADERS, EventStream } from './event-stream.ts';
import { logProbabilities } from './log-probabilities.ts';
import { servedModel } from './models.ts';
import { type Form, readForm } from './multipart.ts';
import { speechAnswer, spokenLanguages, streamedSegment, tokenUsage } from './speech-answer.ts';
import { type SpeechFields, speechFields, speechRequest } from './speech-fields.ts';
import { textDeltas } from './text-deltas.ts';

/** Longest time without a byte of an upload. */
const IDLE_MS = 30_000;
/** A proxy or a client gives up after 30 s or more without a byte. */
const HEARTBEAT_MS = 10_000;
/** Of the queue, where nothing better is known: about what a few clips take. */
const RETRY_SECONDS = 2;

/** A request that is being answered. */
interface Work {
  readonly task: Task;
  readonly model: ServedModel;
  readonly fields: SpeechFields;
  readonly request: SpeechRequest;
  /** Aborts where the client hangs up, or takes too long. */
  readonly signal: AbortSignal;
  readonly secrets: readonly Secret[];
}

export function speechRoute(serving: Serving, task: Task): Handler<AppEnv> {
  const { limits, uploads, engine, metrics } = serving;
  let active = 0;
  return async (c) => {
    if (active >= limits.maxRequests)
      throw tooMany(
        `found ${active} requests that are being answered, the most that this server takes; ask again later`,
        RETRY_SECONDS,
      );
    active++;
    const stop = new AbortController();
    const hungUp = (): void => stop.abort(new DOMException('the client hung up', 'AbortError'));
    c.env.outgoing.once('close', hungUp);
    const timer = setTimeout(() => stop.abort(tookTooLong(limits.timeout)), limits.timeout * 1000);
    let form: Form | undefined;
    const release = async (): Promise<void> => {
      active--;
      clearTimeout(timer);
      c.env.outgoing.off('close', hungUp);
      if (form) await uploads.remove(form.file.path);
    };
    try {
      form = await readForm(c.env.incoming, uploads, {
        maxBytes: limits.maxUpload,
        idleMs: IDLE_MS,
        totalMs: limits.timeout * 1000,
      });
      metrics.uploaded(form.file.bytes);
      const fields = speechFields(task, form.fields);
      const model = servedModel(engine.models, fields.model);
      const { path, name } = form.file;
      const secrets: Secret[] = [
        { path, name, param: 'file' },
        // As the process that computes calls it.
        { path: 'the recording: ', name: `${name}: `, param: 'file' },
        { path: model.directory, name: model.id, param: 'model' },
      ];
      const work: Work = {
        ...{ task, model, fields, secrets },
        request: speechRequest(task, model, path, fields),
        signal: stop.signal,
      };
      await checkLength(path, limits.maxDuration);
      if (fields.stream) return await streamed(c, serving, work, stop, release);
      const transcript = await transcribed(c, serving, work);
      const { type, body } = await speechAnswer(task, model, fields, transcript);
      await release();
      return c.body(body, 200, { 'content-type': type });
    } catch (error) {
      await release();
      throw error;
    }
  };
}

/** By the headers, before anything is computed. */
async function checkLength(audio: string, most: number): Promise<void> {
  // What is wrong with a file, decoding says.
  checkSeconds((await statedDuration(audio).catch(() => undefined)) ?? 0, most);
}

function checkSeconds(seconds: number, most: number): void {
  if (seconds > most)
    throw badRequest(`file: found ${seconds.toFixed(1)} s of sound; expected at most ${most} s`, 'file');
}

async function transcribed(
  c: Context<AppEnv>,
  { engine, limits }: Serving,
  { request, signal, secrets }: Work,
  onSegment?: (segment: Segment) => void,
): Promise<Transcript> {
  const tooLong = new AbortController();
  try {
    const transcript = await engine.transcribe(request, {
      signal: AbortSignal.any([signal, tooLong.signal]),
      onSegment: (segment) => {
        // Where the headers did not tell.
        try {
          checkSeconds(segment.end, limits.maxDuration);
        } catch (error) {
          tooLong.abort(error);
          return;
        }
        onSegment?.(segment);
      },
    });
    checkSeconds(transcript.duration, limits.maxDuration);
    c.set('audio', transcript.duration);
    return transcript;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (isFault(error)) throw error;
    throw apiErrorOf(error, secrets);
  }
}

/** OpenAI's events: the text of each part of the recording as soon as it and those before it are done. */
async function streamed(
  c: Context<AppEnv>,
  serving: Serving,
  work: Work,
  stop: AbortController,
  release: () => Promise<void>,
): Promise<Response> {
  const { task, model, fields } = work;
  const { response_format: format, to_language } = fields;
  const events = new EventStream(HEARTBEAT_MS, () =>
    stop.abort(new DOMException('the client hung up', 'AbortError')),
  );
  const spaced = task === 'translate' && languageProfile(to_language ?? model.target).spaces;
  const deltaOf = textDeltas(spaced);
  const withProbabilities = fields.include.includes('logprobs');
  const probabilities = async (segments: readonly Segment[]): Promise<object> =>
    withProbabilities ? { logprobs: await logProbabilities(model.directory, segments) } : {};
  let begin: () => void;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let sending = Promise.resolve();
  let count = 0;
  const transcript = transcribed(c, serving, work, (segment) => {
    sending = sending.then(async () => {
      const delta = deltaOf(segment.text);
      if (delta !== '')
        events.send({ type: 'transcript.text.delta', delta, ...(await probabilities([segment])) });
      if (format !== 'json' && format !== 'text') events.send(streamedSegment(segment, count++));
      begin();
    });
  });
  const sent = transcript
    .then(async (whole) => {
      await sending;
      const { text, segments } = whole;
      const done = { type: 'transcript.text.done', text, ...spokenLanguages(whole) };
      events.send({ ...done, ...(await probabilities(segments)), usage: tokenUsage(whole) });
      events.send('[DONE]');
    })
    .finally(release);
  // What fails before the first event has an answer of its own status: a bad file is the client's fault.
  const timer = new Promise<void>((resolve) => setTimeout(resolve, HEARTBEAT_MS).unref());
  await Promise.race([sent, begun, timer]);
  sent
    .catch((error: unknown) => {
      serving.onStreamError(c, error);
      events.send(apiErrorOf(error, work.secrets).body);
    })
    .finally(() => events.end());
  return c.body(events.body, 200, EVENT_STREAM_HEADERS);
}
