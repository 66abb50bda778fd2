/** The routes of HTTP, and what holds for all of them: who may ask, how errors look, what is logged and counted. */
import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { routePath } from 'hono/route';
import { packageVersion } from '../report/package-version.ts';
import type { Access } from './access.ts';
import { ApiError, apiErrorOf, isFault } from './api-error.ts';
import type { Engine } from './engine.ts';
import type { Metrics } from './metrics.ts';
import { modelObject, servedModel } from './models.ts';
import { openApi } from './openapi.ts';
import { pageFiles } from './page/page.ts';
import type { RequestLog } from './request-log.ts';
import { speechRoute } from './speech-routes.ts';
import type { Uploads } from './uploads.ts';

export interface Limits {
  /** Bytes of a request's body. */
  readonly maxUpload: number;
  /** Seconds of a recording. */
  readonly maxDuration: number;
  /** Requests with a recording that are read or computed at a time. */
  readonly maxRequests: number;
  /** Seconds that one may take. */
  readonly timeout: number;
}

/** What the routes work with. */
export interface Serving {
  readonly engine: Engine;
  readonly uploads: Uploads;
  readonly access: Access;
  readonly metrics: Metrics;
  readonly limits: Limits;
  readonly log: RequestLog;
  /** An error after the answer has begun. */
  readonly onStreamError: (c: Context<AppEnv>, error: unknown) => void;
}

export interface AppEnv {
  Bindings: HttpBindings;
  Variables: {
    id: string;
    /** Seconds of audio that were transcribed. */
    audio?: number;
    fault?: string;
  };
}

/** For the page, and for whoever opens an answer in a browser: nothing of another site. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'microphone=(self)',
};

const WATCHED: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/** The status of a request whose client hung up, as nginx logs it: nobody receives it. */
const HUNG_UP = 499;

export function serverApp(serving: Serving): Hono<AppEnv> {
  const { engine, access, metrics } = serving;
  const app = new Hono<AppEnv>();

  app.use(async (c, next) => {
    const { outgoing } = c.env;
    const begun = performance.now();
    const id = `req_${randomUUID().replaceAll('-', '')}`;
    c.set('id', id);
    outgoing.once('close', () => {
      const route = `${c.req.method} ${routeOf(c)}`;
      const status = outgoing.writableFinished ? outgoing.statusCode : HUNG_UP;
      const ms = Math.round(performance.now() - begun);
      metrics.request(route, status, ms / 1000);
      // Programs ask for these every few seconds.
      if (!WATCHED.has(c.req.path))
        serving.log({ id, route, status, ms, audio: c.get('audio'), fault: c.get('fault') });
    });
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
    c.header('x-request-id', id);
    await next();
  });

  app.use('/v1/*', crossOrigin(access));
  for (const path of ['/v1/*', '/metrics'])
    app.use(path, async (c, next) => {
      access.checkSite(c.env.incoming.headers);
      access.checkKey(c.env.incoming.headers);
      c.header('cache-control', 'no-store');
      await next();
    });

  app.post('/v1/audio/transcriptions', speechRoute(serving, 'transcribe'));
  app.post('/v1/audio/translations', speechRoute(serving, 'translate'));
  app.get('/v1/models', (c) =>
    c.json({ object: 'list', data: engine.models.map((model) => modelObject(model)) }),
  );
  app.get('/v1/models/:id{.+}', (c) => {
    const id = c.req.param('id');
    return c.json(modelObject(servedModel(engine.models, id), id));
  });
  for (const [path, { type, body, etag }] of pageFiles())
    app.get(path, (c) => {
      // Asked for each time, so that a new version is seen at once.
      c.header('cache-control', 'no-cache');
      c.header('etag', etag);
      if (c.req.header('if-none-match') === etag) return c.body(null, 304);
      return c.body(body, 200, { 'content-type': `${type}; charset=utf-8` });
    });
  app.get('/openapi.json', (c) => c.json(openApi()));
  app.get('/healthz', (c) => c.json({ status: 'ok', version: packageVersion }));
  app.get('/readyz', (c) => {
    const { ready, loaded, requests, limit, streams, streamLimit, restarts } = engine.status();
    const status = { ready, loaded, requests, limit, streams, streamLimit, restarts };
    return c.json(status, ready ? 200 : 503, { 'cache-control': 'no-store' });
  });
  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  );

  const known = app.routes.filter(({ method }) => method !== 'ALL');
  app.notFound((c) => {
    const { path, method } = c.req;
    const allowed = known.filter((route) => route.path === path).map((route) => route.method);
    if (allowed.length > 0)
      throw new ApiError(405, `found ${method} ${path}; expected ${allowed.join(' or ')}`, {
        headers: { allow: allowed.join(', ') },
      });
    const paths = known
      .map((route) => route.path.replace(/\{.*?\}/g, ''))
      .filter((one) => !one.startsWith('/page/'))
      .join(', ');
    throw new ApiError(404, `found ${method} ${path.slice(0, 200)}; expected any of ${paths}`);
  });
  app.onError((error, c) => {
    if (c.env.outgoing.destroyed || error.name === 'AbortError') return c.body(null, HUNG_UP as 400);
    if (isFault(error)) c.set('fault', error.stack ?? String(error));
    const { status, body, headers } = apiErrorOf(error);
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
    return c.json(body, status);
  });
  return app;
}

/** The pattern of the route that answers, so that logs and metrics have few. */
function routeOf(c: Context<AppEnv>): string {
  const path = routePath(c, -1);
  return path.includes('*') ? 'other' : path.replace(/\{.*?\}/g, '');
}

/** Lets pages of the sites that were allowed ask, and no others. */
function crossOrigin(access: Access) {
  return async (c: Context<AppEnv>, next: () => Promise<void>): Promise<Response | undefined> => {
    const origin = c.req.header('origin');
    if (origin === undefined || !access.allowsOrigin(origin)) {
      await next();
      return undefined;
    }
    c.header('access-control-allow-origin', origin);
    c.header('access-control-expose-headers', 'x-request-id, retry-after');
    c.header('vary', 'Origin');
    if (c.req.method !== 'OPTIONS' || c.req.header('access-control-request-method') === undefined) {
      await next();
      return undefined;
    }
    c.header('access-control-allow-methods', 'GET, POST');
    c.header('access-control-allow-headers', c.req.header('access-control-request-headers') ?? '');
    c.header('access-control-max-age', '600');
    if (c.req.header('access-control-request-private-network') === 'true')
      c.header('access-control-allow-private-network', 'true');
    return c.body(null, 204);
  };
}
