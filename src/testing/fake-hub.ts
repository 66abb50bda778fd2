/**
 * For tests: a Hugging Face hub of one process. It answers as the hub's recorded answers do (small files by a relative redirect,
 * large ones by a redirect to a second port, its network of caches, whose ETag is another), and fails on request.
 * It imports Node only: scripts/contract/hub.mjs compiles it alone.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface Fault {
  /** Of the path and query, on either port. */
  readonly match: RegExp;
  /** How often. Default 1. */
  times?: number;
  /** Answers this status; of 429 and 503 with `retryAfter` seconds. */
  readonly status?: number;
  readonly retryAfter?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Breaks the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Sends nothing more after so many bytes of the body. */
  readonly stallAfter?: number;
  /** Changes a byte. */
  readonly corrupt?: boolean;
  /** Ignores the wanted range: 200 and all bytes. */
  readonly wholeOnly?: boolean;
  /** Answers 416 to a wanted range. */
  readonly noRange?: boolean;
  /** Waits between pieces of 64 kB, ms. */
  readonly slow?: number;
  /** Redirects. */
  readonly location?: string;
  /** In place of the JSON. */
  readonly json?: unknown;
}

export interface Logged {
  readonly on: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly bytes: number;
}

export interface FakeRepo {
  readonly type: 'model' | 'dataset';
  readonly id: string;
  /** Commits by id, oldest first; the last is the head of main. */
  readonly commits: Map<string, Map<string, Buffer>>;
  isPrivate: boolean;
  isGated: boolean;
  /** Names that the tree has beside the files. */
  readonly extraEntries: unknown[];
}

export interface FakeHub {
  readonly url: string;
  readonly cdnUrl: string;
  readonly requests: Logged[];
  readonly faults: Fault[];
  /** Files of a page of a tree. */
  pageSize: number;
  /** Largest part of an upload; larger files are sent in parts. */
  partSize: number;
  addRepo(id: string, files: Readonly<Record<string, string | Buffer>>, type?: 'model' | 'dataset'): FakeRepo;
  addFolder(id: string, folder: string, type?: 'model' | 'dataset'): FakeRepo;
  repo(id: string, type?: 'model' | 'dataset'): FakeRepo | undefined;
  head(repo: FakeRepo): string;
  close(): Promise<void>;
}

/** Of the JSON that requests carry. */
interface Body {
  readonly name: string;
  readonly organization?: string;
  readonly type?: 'model' | 'dataset';
  readonly private?: boolean;
  readonly objects: readonly { readonly oid: string; readonly size: number }[];
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Of a commit. */
interface Operation {
  readonly path: string;
  readonly content: string;
  readonly oid: string;
  readonly size: number;
}

/** The token that opens private repositories and writes; its account. */
export const FAKE_TOKEN = 'hf_fakefakefakefake';
export const FAKE_USER = 'tester';

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
export const gitHash = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** Kept in LFS: what the hub's .gitattributes has. */
const isLarge = (path: string, bytes: Buffer): boolean =>
  /\.(safetensors|bin|h5|msgpack|parquet|tar|gz|flac|wav|onnx)$/.test(path) || bytes.length > 10_000_000;

/** Begins a hub on two free ports of this machine. */
export async function startFakeHub({ port = 0 } = {}): Promise<FakeHub> {
  const repos = new Map<string, FakeRepo>();
  const stored = new Map<string, Buffer>();
  const parts = new Map<string, Buffer[]>();
  const requests: Logged[] = [];
  const faults: Fault[] = [];
  const signatures = new Set<string>();
  const servers: Server[] = [];
  const key = (type: string, id: string): string => `${type}s/${id}`.toLowerCase();

  const hub: FakeHub = {
    url: '',
    cdnUrl: '',
    requests,
    faults,
    pageSize: 1000,
    partSize: 1e9,
    addRepo(id, files, type = 'model') {
      const repo: FakeRepo = repos.get(key(type, id)) ?? {
        ...{ type, id, commits: new Map(), isPrivate: false, isGated: false, extraEntries: [] },
      };
      repos.set(key(type, id), repo);
      addCommit(
        repo,
        new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content as string)])),
      );
      return repo;
    },
    addFolder(id, folder, type = 'model') {
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
      const files = names.filter((name) => statSync(join(folder, name)).isFile());
      return hub.addRepo(
        id,
        Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name))])),
        type,
      );
    },
    repo: (id, type = 'model') => repos.get(key(type, id)),
    head: (repo) => [...repo.commits.keys()].at(-1)!,
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };

  function addCommit(repo: FakeRepo, files: Map<string, Buffer>): string {
    const content = [...files].map(([path, bytes]) => `${path} ${sha256(bytes)}`).join('\n');
    const commit = createHash('sha1').update(`${repo.id} ${repo.commits.size} ${content}`).digest('hex');
    for (const bytes of files.values()) stored.set(sha256(bytes), bytes);
    repo.commits.set(commit, files);
    return commit;
  }

  const commitOf = (repo: FakeRepo, revision: string): string | undefined =>
    revision === 'main' ? hub.head(repo) : repo.commits.has(revision) ? revision : undefined;

  function refuse(response: ServerResponse, status: number, code: string, message: string): void {
    response.writeHead(status, {
      'x-error-code': code,
      'x-error-message': message,
      'content-type': 'application/json',
    });
    response.end(JSON.stringify({ error: message }));
  }

  function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  }

  /** The fault of a request, once. */
  function takeFault(path: string): Fault | undefined {
    const fault = faults.find(({ match, times = 1 }) => times > 0 && match.test(path));
    if (fault) fault.times = (fault.times ?? 1) - 1;
    return fault;
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Buffer,
    etag: string,
    fault: Fault | undefined,
  ): Promise<void> {
    const wanted = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const from = wanted && !fault?.wholeOnly ? Number(wanted[1]) : 0;
    if (from > 0 && (from >= bytes.length || fault?.noRange)) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    const to =
      wanted?.[2] && !fault?.wholeOnly ? Math.min(bytes.length, Number(wanted[2]) + 1) : bytes.length;
    let body = bytes.subarray(from, to);
    if (fault?.corrupt && body.length > 0) {
      body = Buffer.from(body);
      body[body.length >> 1]! ^= 0xff;
    }
    response.writeHead(wanted && !fault?.wholeOnly ? 206 : 200, {
      etag: `"${etag}"`,
      'accept-ranges': 'bytes',
      'content-length': body.length,
      'content-type': 'application/octet-stream',
      ...(wanted && !fault?.wholeOnly && { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const end = Math.min(body.length, fault?.cutAfter ?? fault?.stallAfter ?? body.length);
    const closed = once(response, 'close');
    for (let at = 0; at < end; at += 65_536) {
      if (response.destroyed) return;
      const piece = body.subarray(at, Math.min(end, at + 65_536));
      if (!response.write(piece)) await Promise.race([once(response, 'drain'), closed]);
      if (fault?.slow) await new Promise((resolve) => setTimeout(resolve, fault.slow));
    }
    if (fault?.stallAfter !== undefined) return;
    if (fault?.cutAfter !== undefined) setTimeout(() => response.destroy(), 20);
    else response.end();
  }

  const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    return Buffer.concat(pieces);
  };

  const served = (
    on: 'hub' | 'cdn',
    answer: (
      request: IncomingMessage,
      response: ServerResponse,
      url: URL,
      body: Buffer,
      fault: Fault | undefined,
    ) => Promise<void> | void,
  ) =>
    createServer(async (request, response) => {
      const { method = 'GET', url: path = '/' } = request;
      const body = await bodyOf(request).catch(() => Buffer.alloc(0));
      const { authorization, range } = request.headers;
      requests.push({ on, method, path, authorization, range, bytes: body.length });
      const fault = takeFault(path);
      if (fault?.status !== undefined) {
        const after = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
        response
          .writeHead(fault.status, { ...after, ...fault.headers })
          .end(JSON.stringify({ error: 'as the test asked' }));
      } else if (fault?.location !== undefined) response.writeHead(302, { location: fault.location }).end();
      else if (fault && 'json' in fault) json(response, fault.json, fault.headers);
      else await answer(request, response, new URL(path, 'http://host'), body, fault);
    });

  const hubServer = served('hub', async (request, response, url, body, fault) => {
    const { pathname } = url;
    const isUser = request.headers.authorization === `Bearer ${FAKE_TOKEN}`;
    const asJson = (): Body => JSON.parse(body.toString('utf8') || '{}') as Body;
    if (request.headers.authorization !== undefined && !isUser)
      return refuse(response, 401, '', 'Invalid credentials in Authorization header');
    if (pathname === '/api/whoami-v2')
      return isUser
        ? json(response, {
            type: 'user',
            name: FAKE_USER,
            orgs: [{ name: 'acme' }],
            auth: { type: 'access_token', accessToken: { displayName: 'test', role: 'write' } },
          })
        : refuse(response, 401, '', 'Invalid username or password.');
    if (pathname === '/api/validate-yaml') return json(response, { errors: [], warnings: [] });
    if (pathname === '/api/repos/create') {
      if (!isUser) return refuse(response, 401, '', 'Invalid username or password.');
      const { name, organization = FAKE_USER, type = 'model', private: isPrivate = false } = asJson();
      if (![FAKE_USER, 'acme'].includes(organization as string))
        return refuse(
          response,
          403,
          '',
          `You don't have the rights to create a ${type} under the namespace "${organization}"`,
        );
      const id = `${organization}/${name}`;
      if (repos.has(key(type, id))) return refuse(response, 409, '', 'You already created this model repo');
      hub.addRepo(id, {}, type).isPrivate = isPrivate;
      return json(response, { url: `${hub.url}/${id}`, name: id, id: '1' });
    }
    const api =
      /^\/api\/(model|dataset)s\/([^/]+\/[^/]+|[^/]+?)(?:\/(revision|tree|preupload|commit|paths-info|xet-write-token)\/([^/]+)(\/.*)?)?$/.exec(
        pathname,
      );
    const batch = /^(?:\/(dataset)s)?\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/(batch|verify)$/.exec(
      pathname,
    );
    const small = /^\/api\/resolve-cache\/(model|dataset)s\/([^/]+\/[^/]+)\/([0-9a-f]{40})\/(.*)$/.exec(
      pathname,
    );
    const resolve = /^(?:\/(dataset)s)?\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.*)$/.exec(pathname);
    const [type = 'model', id = ''] = (api ?? batch ?? small ?? resolve ?? []).slice(1) as string[];
    const repo = repos.get(key(type, id));
    if (!repo || (repo.isPrivate && !isUser))
      return isUser
        ? refuse(response, 404, 'RepoNotFound', 'Repository not found')
        : refuse(response, 401, 'RepoNotFound', 'Repository not found');
    if (repo.isGated && !isUser && (small || resolve))
      return refuse(response, 403, 'GatedRepo', `Access to model ${id} is restricted.`);

    if (batch) {
      if (!isUser) return refuse(response, 401, '', 'Invalid username or password.');
      if (batch[3] === 'verify') return json(response, {});
      const objects = asJson().objects.map(({ oid, size }) => {
        if (stored.has(oid)) return { oid, size };
        if (size <= hub.partSize)
          return {
            oid,
            size,
            actions: { upload: { href: `${hub.cdnUrl}/upload/${oid}?sig=${randomUUID()}` } },
          };
        const count = Math.ceil(size / hub.partSize);
        const numbered = Array.from({ length: count }, (_, i) => [
          String(i + 1),
          `${hub.cdnUrl}/part/${oid}/${i}?sig=${randomUUID()}`,
        ]);
        return {
          oid,
          size,
          actions: {
            upload: {
              href: `${hub.cdnUrl}/complete/${oid}`,
              header: { chunk_size: String(hub.partSize), ...Object.fromEntries(numbered) },
            },
          },
        };
      });
      return json(response, { transfer: 'basic', objects });
    }
    if (small || resolve) {
      const [, , , revision = '', encoded = ''] = (small ?? resolve)!;
      const commit = commitOf(repo, decodeURIComponent(revision));
      const path = decodeURIComponent(encoded);
      if (commit === undefined)
        return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
      const bytes = repo.commits.get(commit)!.get(path);
      if (bytes === undefined) {
        response.setHeader('x-repo-commit', commit);
        return refuse(response, 404, 'EntryNotFound', 'Entry not found');
      }
      if (small) {
        // huggingface_hub follows this hop and reads the commit here.
        response.setHeader('x-repo-commit', commit);
        return send(request, response, bytes, gitHash(bytes), fault);
      }
      const known = { 'x-repo-commit': commit, 'x-linked-size': String(bytes.length) };
      if (!isLarge(path, bytes)) {
        response.writeHead(307, {
          ...known,
          'x-linked-etag': `"${gitHash(bytes)}"`,
          location: `/api/resolve-cache/${type}s/${id}/${commit}/${encoded}?etag=%22${gitHash(bytes)}%22`,
        });
        response.end();
        return;
      }
      const signature = randomUUID();
      signatures.add(signature);
      response.writeHead(302, {
        ...known,
        'x-linked-etag': `"${sha256(bytes)}"`,
        'x-xet-hash': sha256(`xet ${sha256(bytes)}`),
        'cache-control': 'no-store',
        location: `${hub.cdnUrl}/xet-bridge-us/${sha256(bytes)}?sig=${signature}`,
      });
      response.end();
      return;
    }
    const [, , , action, encodedRevision = 'main', below = ''] = api!;
    const revision = decodeURIComponent(encodedRevision);
    const commit = commitOf(repo, revision);
    if (commit === undefined) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    const files = repo.commits.get(commit)!;
    if (action === undefined || action === 'revision')
      return json(response, {
        ...{
          _id: '1',
          id: repo.id,
          modelId: repo.id,
          sha: commit,
          private: repo.isPrivate,
          gated: repo.isGated ? 'auto' : false,
          disabled: false,
        },
        ...{
          downloads: 0,
          likes: 0,
          tags: [],
          lastModified: '2026-11-28T00:00:00.000Z',
          createdAt: '2026-11-28T00:00:00.000Z',
        },
        siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
      });
    if (action === 'tree') {
      const within = decodeURIComponent(below.slice(1));
      const entries = [
        ...[...files]
          .filter(([path]) => path.startsWith(within))
          .map(([path, bytes]) => ({
            ...{ type: 'file', path, size: bytes.length, oid: gitHash(bytes) },
            ...(isLarge(path, bytes) && {
              oid: gitHash(Buffer.from(sha256(bytes))),
              lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 },
              xetHash: sha256(`xet ${sha256(bytes)}`),
            }),
          })),
        ...new Set(
          [...files.keys()].flatMap((path) =>
            path.includes('/') ? [path.slice(0, path.lastIndexOf('/'))] : [],
          ),
        ),
        ...repo.extraEntries,
      ].map((entry) =>
        typeof entry === 'string'
          ? { type: 'directory', path: entry, size: 0, oid: gitHash(Buffer.from(entry)) }
          : entry,
      );
      const from = Number(url.searchParams.get('cursor') ?? 0);
      const next = from + hub.pageSize;
      url.searchParams.set('cursor', String(next));
      return json(
        response,
        entries.slice(from, next),
        next < entries.length ? { link: `<${hub.url}${pathname}?${url.searchParams}>; rel="next"` } : {},
      );
    }
    if (!isUser) return refuse(response, 401, '', 'Invalid username or password.');
    if (action === 'preupload') {
      const asked = asJson().files;
      return json(response, {
        files: asked.map(({ path, size }) => ({
          ...{
            path,
            uploadMode: isLarge(path, Buffer.alloc(0)) || size > 10_000_000 ? 'lfs' : 'regular',
            shouldIgnore: false,
          },
          oid: files.has(path) ? gitHash(files.get(path)!) : null,
        })),
      });
    }
    if (action === 'commit') {
      const changed = new Map(files);
      for (const line of body.toString('utf8').trim().split('\n')) {
        const { key: kind, value } = JSON.parse(line) as { key: string; value: Operation };
        if (kind === 'file') changed.set(value.path, Buffer.from(value.content, 'base64'));
        else if (kind === 'deletedFile') changed.delete(value.path);
        else if (kind === 'lfsFile') {
          const bytes = stored.get(value.oid);
          if (bytes?.length !== value.size)
            return refuse(
              response,
              400,
              '',
              `LFS pointer pointed to a file that does not exist: ${value.path}`,
            );
          changed.set(value.path, bytes!);
        }
      }
      const oid = addCommit(repo, changed);
      return json(response, {
        success: true,
        commitOid: oid,
        commitUrl: `${hub.url}/${id}/commit/${oid}`,
        hookOutput: '',
      });
    }
    refuse(response, 404, '', 'Not found');
  });

  const cdnServer = served('cdn', async (request, response, { pathname, searchParams }, body, fault) => {
    const [, kind, oid = '', number = ''] = pathname.split('/');
    if (kind === 'xet-bridge-us') {
      // A signed address is good once.
      if (!signatures.delete(searchParams.get('sig') ?? '')) {
        response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
        return;
      }
      await send(request, response, stored.get(oid)!, sha256(`xet ${oid}`), fault);
    } else if (kind === 'upload' || kind === 'part') {
      if (request.headers['content-length'] === undefined) {
        response.writeHead(411).end();
        return;
      }
      if (kind === 'upload' && sha256(body) !== oid) {
        response.writeHead(400).end('BadDigest');
        return;
      }
      if (kind === 'upload') stored.set(oid, body);
      else parts.set(oid, Object.assign(parts.get(oid) ?? [], { [number]: body }));
      response.writeHead(200, { etag: `"${sha256(body).slice(0, 32)}"` }).end();
    } else if (kind === 'complete') {
      const all = Buffer.concat(parts.get(oid) ?? []);
      const named = (JSON.parse(body.toString('utf8')) as { parts: { partNumber: number; etag: string }[] })
        .parts;
      const isRight =
        sha256(all) === oid &&
        named.every(
          ({ partNumber, etag }) => etag === `"${sha256(parts.get(oid)![partNumber - 1]!).slice(0, 32)}"`,
        );
      if (isRight) stored.set(oid, all);
      response.writeHead(isRight ? 200 : 400).end('{}');
    } else response.writeHead(404).end();
  });

  const listen = async (server: Server, at: number): Promise<string> => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  return Object.assign(hub, { url: await listen(hubServer, port), cdnUrl: await listen(cdnServer, 0) });
}
