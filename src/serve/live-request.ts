/** Checks what a socket asks of live decoding. */
import { namedLanguage } from '../language/profile.ts';
import type { Task } from '../whisper/tokens.ts';
import { type ApiError, badRequest, type Secret } from './api-error.ts';
import type { Limits } from './app.ts';
import type { LiveRequest, ServedModel } from './engine.ts';
import { servedModel } from './models.ts';

export interface AskedStream extends Omit<Partial<LiveRequest>, 'task'> {
  readonly task: Task;
}

export interface CheckedStream {
  readonly request: LiveRequest;
  readonly model: ServedModel;
  readonly secrets: readonly Secret[];
}

/** @throws ApiError that names the field */
export function liveRequest(
  models: readonly ServedModel[],
  { model: id, task, from, to, prompt, policy }: AskedStream,
): CheckedStream {
  const model = servedModel(models, id);
  const source = from && from !== 'auto' ? namedLanguage(from, 'from: ').base : undefined;
  if (source !== undefined && !model.languages.includes(source))
    throw badRequest(
      `from: found ${JSON.stringify(from)}, which ${model.id} does not know; expected any of ${model.languages.join(', ')}`,
      'from',
    );
  const target = to && task === 'translate' ? namedLanguage(to, 'to: ').code : undefined;
  return {
    model,
    secrets: [{ path: model.directory, name: model.id, param: 'model' }],
    request: {
      ...{ model: model.id, task },
      ...(source !== undefined && { from: source }),
      ...(target !== undefined && { to: target }),
      ...(prompt && { prompt }),
      ...(policy && { policy }),
    },
  };
}

/** The error of a stream that is longer than the server takes. */
export const tooMuchSound = (seconds: number, { maxDuration }: Limits): ApiError | undefined =>
  seconds > maxDuration
    ? badRequest(`found more than ${maxDuration} s of sound; expected at most as much`)
    : undefined;
