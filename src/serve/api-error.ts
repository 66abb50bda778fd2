/** Errors as OpenAI's API answers them. Its clients choose their error class by the status, and ask again after some of them. */
import { UserError } from '../errors.ts';
import { EngineUnavailable } from './engine.ts';

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

interface ErrorDetails {
  readonly type?: string;
  /** The field that is wrong. */
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiError extends Error {
  readonly type: string;
  readonly param: string | undefined;
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 413 | 429 | 500 | 503 | 504,
    message: string,
    { type = 'invalid_request_error', param, code, headers = {} }: ErrorDetails = {},
  ) {
    super(message);
    this.type = type;
    this.param = param;
    this.code = code;
    this.headers = headers;
  }

  get body(): ErrorBody {
    const { message, type, param = null, code = null } = this;
    return { error: { message, type, param, code } };
  }
}

export const badRequest = (message: string, param?: string): ApiError =>
  new ApiError(400, message, { param });

/** More is asked than there is room for: OpenAI's clients ask again after the seconds that it names. */
export const tooMany = (message: string, seconds: number): ApiError =>
  new ApiError(429, message, {
    type: 'rate_limit_error',
    code: 'rate_limit_exceeded',
    headers: { 'retry-after': String(Math.ceil(seconds)) },
  });

/** Asking again would take as long again, and fail again. */
export const tookTooLong = (seconds: number): ApiError =>
  new ApiError(504, `found no result after ${seconds} s, the time limit of this server for one request`, {
    type: 'server_error',
    code: 'timeout',
    headers: { 'x-should-retry': 'false' },
  });

/** A path that a message must not tell, what stands for it, and the field that it came from. */
export interface Secret {
  readonly path: string;
  readonly name: string;
  readonly param: string;
}

/**
 * The error of a request, whatever was thrown. A mistake of the user's is one of 400, as the same request fails again; one
 * that nobody foresaw tells nothing but that it was one.
 */
export function apiErrorOf(error: unknown, secrets: readonly Secret[] = []): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineUnavailable) {
    if (error.reason === 'busy') return tooMany(error.message, error.retryAfter);
    return new ApiError(503, error.message, {
      type: 'server_error',
      headers: { 'retry-after': String(Math.ceil(error.retryAfter)) },
    });
  }
  if (error instanceof UserError) {
    let { message } = error;
    for (const { path, name } of secrets) message = message.replaceAll(path, name);
    // Messages name flags of the command line; here they are fields.
    const [, flag] = /^--([a-z-]+): /.exec(message) ?? [];
    const about = secrets.find(({ path }) => error.message.startsWith(path));
    return badRequest(message.replace(/^--/, ''), flag?.replaceAll('-', '_') ?? about?.param);
  }
  return new ApiError(500, 'the server failed on this request; its log has the reason by x-request-id', {
    type: 'server_error',
    headers: { 'x-should-retry': 'false' },
  });
}

/** Whether an error is a fault of the server, to be found in its log. */
export const isFault = (error: unknown): boolean =>
  !(error instanceof ApiError || error instanceof EngineUnavailable || error instanceof UserError);
