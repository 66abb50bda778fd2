/**
 * `/live?model=&task=&from=&to=&rate=`, the page's own socket: PCM16 in binary messages, `{"type":"commit"}` and
 * `{"type":"end"}` in; the events of live decoding out, one a message, and `{"type":"error","message","error"}` before it is closed.
 */
import { z } from 'zod';
import { LIVE_POLICIES } from '../live/events.ts';
import { badRequest } from './api-error.ts';
import type { Serving } from './app.ts';
import type { Connection, SocketSession } from './connection.ts';
import { LiveFeed } from './live-feed.ts';
import { liveRequest, tooMuchSound } from './live-request.ts';

const RATE_ERROR = { error: 'a whole number from 8000 to 192000' };

const query = z.object({
  model: z.string().optional(),
  task: z.enum(['transcribe', 'translate']).default('transcribe'),
  from: z.string().optional(),
  to: z.string().optional(),
  prompt: z.string().max(4000).optional(),
  policy: z.enum(LIVE_POLICIES).optional(),
  rate: z.coerce
    .number(RATE_ERROR)
    .int(RATE_ERROR)
    .min(8000, RATE_ERROR)
    .max(192_000, RATE_ERROR)
    .default(16_000),
});

export function liveSession(serving: Serving, connection: Connection): SocketSession {
  const { engine, metrics } = serving;
  const asked = Object.fromEntries([...connection.url.searchParams].filter(([, value]) => value !== ''));
  const parsed = query.safeParse(asked);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
    const name = String(path[0]);
    throw badRequest(
      `${name}: found ${JSON.stringify(asked[name])?.slice(0, 100)}; expected ${message}`,
      name,
    );
  }
  const { rate, ...request } = parsed.data;
  const { request: live, secrets } = liveRequest(engine.models, request);
  const feed = new LiveFeed(engine, live, rate, {
    onEvent: (event) => {
      if (event.type === 'text') metrics.lag(event.lag);
      connection.send(event);
    },
    onEnd: (error) => {
      if (error === undefined) connection.close(1000, 'the stream has ended');
      else connection.fail(error, { secrets });
    },
    onFull: (full) => connection.pause(full),
  });
  return {
    bytes: (bytes) => {
      feed.push(bytes);
      connection.heard(feed.seconds);
      const tooLong = tooMuchSound(feed.seconds, serving.limits);
      if (tooLong) throw tooLong;
    },
    text: (text) => {
      const type = typeOf(text);
      if (type === 'commit') feed.commit();
      else if (type === 'end') feed.end();
      else throw badRequest(`found ${text.slice(0, 60)}; expected {"type":"commit"} or {"type":"end"}`);
    },
    end: () => feed.end(),
    closed: () => feed.close(),
  };
}

function typeOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { type?: unknown } | null)?.type;
  } catch {
    return undefined;
  }
}
