/**
 * For tests: a server that speaks as much of S3 as a store needs, path-style, with objects in memory. It checks signatures
 * (AWS Signature Version 4, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html) and the
 * hash of what is sent, lists in small pages, and fails as it is told to. scripts/contract/s3.mjs asks a real one the same.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export const CREDENTIALS = { id: 'AKIDTEST', secret: 'a/secret+key' };
const REGION = 'eu-test-1';
/** Objects of a page of a list. */
const PAGE = 3;
const CLOCK_MS = 15 * 60_000;

/** What goes wrong with a request: an answer of S3's, a connection that ends, one on which nothing comes. */
export type Fault =
  | { readonly status: number; readonly code: string }
  | 'reset'
  | 'cut in the body'
  | 'silent';

const sha256 = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const escaped = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
const xml = (text: string) => text.replace(/[<>&]/g, (one) => `&#${one.charCodeAt(0)};`);

class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string = code,
  ) {
    super(message);
  }
}

export class FakeS3 {
  readonly objects = new Map<string, Buffer>();
  readonly requests: string[] = [];
  /** Of the next requests, one each; undefined: none. */
  faults: (Fault | undefined)[] = [];
  /** Of all requests while it is set. */
  fault: Fault | undefined;
  /** Secrets by access key; those of a session that has ended are refused as expired. */
  readonly secrets = new Map([[CREDENTIALS.id, CREDENTIALS.secret]]);
  readonly #server: Server;

  constructor(readonly bucket: string) {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Environment by which AWS' client finds it. */
  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.url,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: CREDENTIALS.id,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secret,
      // Nothing of this machine's.
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    const fault = this.faults.shift() ?? this.fault;
    if (fault === 'silent') return;
    if (fault === 'reset') {
      request.socket.destroy();
      return;
    }
    try {
      const body = await buffer(request);
      if (typeof fault === 'object') throw new Refused(fault.status, fault.code);
      this.#checkSignature(request, url, body);
      const { status = 200, content = '' } = this.#answer(request, url, body);
      const bytes = Buffer.from(content);
      response.writeHead(status, { 'content-length': bytes.length });
      if (fault === 'cut in the body') {
        response.write(bytes.subarray(0, bytes.length / 2));
        setTimeout(() => request.socket.destroy(), 20);
      } else response.end(request.method === 'HEAD' ? undefined : bytes);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const text = `<?xml version="1.0"?><Error><Code>${error.code}</Code><Message>${xml(error.message)}</Message></Error>`;
      response
        .writeHead(error.status, { 'content-type': 'application/xml' })
        .end(request.method === 'HEAD' ? undefined : text);
    }
  }

  #checkSignature({ method, headers }: IncomingMessage, url: URL, body: Buffer): void {
    const found =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d+)\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
        headers.authorization ?? '',
      );
    if (!found) throw new Refused(403, 'AccessDenied');
    const [, id = '', day = '', region = '', names = '', signature] = found;
    const secret = this.secrets.get(id);
    if (secret === undefined)
      throw new Refused(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist');
    if (region !== REGION)
      throw new Refused(
        400,
        'AuthorizationHeaderMalformed',
        `The authorization header is malformed; the region '${region}' is wrong; expecting '${REGION}'`,
      );
    const time = String(headers['x-amz-date']);
    const sent = Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
    if (!(Math.abs(Date.now() - sent) < CLOCK_MS)) throw new Refused(403, 'RequestTimeTooSkewed');
    const signed = names.split(';');
    if (!signed.includes('host') || !signed.includes('x-amz-content-sha256'))
      throw new Refused(403, 'AccessDenied');
    const content = String(headers['x-amz-content-sha256']);
    if (content !== sha256(body)) throw new Refused(400, 'XAmzContentSHA256Mismatch');
    const canonical = [
      method,
      url.pathname
        .split('/')
        .map((part) => escaped(decodeURIComponent(part)))
        .join('/'),
      [...url.searchParams]
        .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
        .sort()
        .join('&'),
      ...signed.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`),
      '',
      names,
      content,
    ].join('\n');
    const scope = `${day}/${region}/s3/aws4_request`;
    const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`;
    const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
    if (hmac(key, text).toString('hex') !== signature)
      throw new Refused(403, 'SignatureDoesNotMatch', 'The request signature does not match');
  }

  #answer(
    { method }: IncomingMessage,
    url: URL,
    body: Buffer,
  ): { status?: number; content?: Buffer | string } {
    const [, bucket = '', key = ''] = /^\/([^/]+)\/?(.*)$/.exec(decodeURIComponent(url.pathname)) ?? [];
    if (bucket !== this.bucket) throw new Refused(404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (key === '') return { content: this.#list(url.searchParams) };
    if (method === 'PUT') this.objects.set(key, body);
    else if (method === 'DELETE') {
      this.objects.delete(key);
      return { status: 204 };
    } else {
      const found = this.objects.get(key);
      if (!found) throw new Refused(404, 'NoSuchKey', 'The specified key does not exist.');
      return { content: found };
    }
    return {};
  }

  #list(asked: URLSearchParams): string {
    const prefix = asked.get('prefix') ?? '';
    const after = asked.get('continuation-token') ?? '';
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, PAGE);
    const contents = page.map((key) => `<Contents><Key>${xml(key)}</Key></Contents>`).join('');
    const next =
      keys.length > PAGE
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${xml(page.at(-1)!)}</NextContinuationToken>`
        : '<IsTruncated>false</IsTruncated>';
    return `<?xml version="1.0"?><ListBucketResult>${contents}${next}</ListBucketResult>`;
  }
}
