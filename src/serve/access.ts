/**
 * Who may ask. A server on one's own machine is open to every web page that its browser shows, unless it looks at the headers
 * that a page cannot choose: Origin, which tells pages of other sites, and Host, which tells a name that was bound anew to
 * this machine (DNS rebinding).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { ApiError } from './api-error.ts';

export interface AccessOptions {
  /** Key that requests must carry. Default: none is needed. */
  readonly apiKey?: string | undefined;
  /** Origins of other sites that may ask, such as `https://app.example`; `*`: any. Default: none. */
  readonly origins?: readonly string[] | undefined;
}

/** Before a key in the subprotocols of a WebSocket: browsers can set no header. */
const KEY_PROTOCOL = 'openai-insecure-api-key.';

export class Access {
  readonly #key: Buffer | undefined;
  readonly #origins: ReadonlySet<string>;

  constructor({ apiKey, origins = [] }: AccessOptions) {
    this.#key = apiKey === undefined ? undefined : hashed(apiKey);
    this.#origins = new Set(origins);
  }

  /** @throws ApiError of 401 where a key is needed and none, or another one, is given */
  checkKey({ authorization, 'sec-websocket-protocol': protocols }: IncomingHttpHeaders): void {
    if (!this.#key) return;
    const given = keyOf(authorization, protocols);
    // Hashes are equally long, and compared in the same time wherever they differ.
    if (given !== undefined && timingSafeEqual(hashed(given), this.#key)) return;
    const message =
      given === undefined
        ? 'found no API key; expected it in the header: Authorization: Bearer KEY'
        : 'found another API key; expected the one that the server was started with';
    throw new ApiError(401, message, { code: 'invalid_api_key', headers: { 'www-authenticate': 'Bearer' } });
  }

  /** @throws ApiError of 403 where a web page of another site asks, or under a name that may not be this machine's */
  checkSite(headers: IncomingHttpHeaders): void {
    const { host = '', origin } = headers;
    if (!this.#key && !this.#isOwnName(host))
      throw new ApiError(
        403,
        `found the host name ${JSON.stringify(host.slice(0, 100))}; expected an address or localhost: other names may belong to a web ` +
          'page. Start the server with --api-key, or name it: --cors',
      );
    if (origin !== undefined && !isSameOrigin(origin, host) && !this.allowsOrigin(origin))
      throw new ApiError(
        403,
        `found a web page of ${JSON.stringify(origin.slice(0, 100))}; expected one of this server. --cors ${origin.slice(0, 100)} allows it`,
      );
    if (origin === undefined && headers['sec-fetch-site'] === 'cross-site')
      throw new ApiError(403, 'found a request of a web page of another site; expected one of this server');
  }

  /** Whether pages of another site may ask. */
  allowsOrigin(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin);
  }

  /** Names that no owner of a domain can bind to this machine, and those of origins that are allowed. */
  #isOwnName(host: string): boolean {
    const name = hostName(host);
    if (name === undefined) return false;
    return (
      isIP(name.replace(/^\[|\]$/g, '')) > 0 ||
      // One label: localhost, or the name of a machine or a service in the same network.
      /^[\w-]+$/.test(name) ||
      /\.(?:localhost|local|internal)$/.test(name) ||
      this.#origins.has('*') ||
      [...this.#origins].some((origin) => hostName(origin.replace(/^\w+:\/\//, '')) === name)
    );
  }
}

/** The host's name in small letters, without port; undefined where it is none. */
function hostName(host: string): string | undefined {
  const [, name] = /^(\[[\da-f:.]+\]|[^:/?#@\s]+)(?::\d+)?$/i.exec(host) ?? [];
  return name?.toLowerCase().replace(/\.$/, '');
}

/** Whether a page's origin is what it asks: the scheme may be a proxy's. */
function isSameOrigin(origin: string, host: string): boolean {
  return (
    /^https?:\/\//.test(origin) && origin.replace(/^https?:\/\//, '').toLowerCase() === host.toLowerCase()
  );
}

function keyOf(authorization: string | undefined, protocols: string | undefined): string | undefined {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  return protocols
    ?.split(',')
    .map((one) => one.trim())
    .find((one) => one.startsWith(KEY_PROTOCOL))
    ?.slice(KEY_PROTOCOL.length);
}

const hashed = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether an address is reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
