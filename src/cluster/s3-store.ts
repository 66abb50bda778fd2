/**
 * S3, or a server that speaks its protocol: a put is whole or nothing. Address, region and credentials are those of AWS' own
 * tools: AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_PROFILE and others. The client is an optional package.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { UserError } from '../errors.ts';
import { inBatches } from '../lists.ts';
import { printable } from '../report/escape.ts';
import type { Cluster } from './redis.ts';
import { lockInRedis } from './redis-lock.ts';
import type { Store, StoreOptions } from './store.ts';

/** Tries of a request, with growing pauses: about 3 seconds, 15 where the server asks for less (503 SlowDown). */
const TRIES = 7;
const CONNECTION_MS = 5_000;
/** Longest silence within a request. */
const SILENCE_MS = 30_000;
const PAUSE_MS = 2_000;
const REMOVED_AT_ONCE = 32;

type Library = typeof import('@aws-sdk/client-s3');

export interface S3Place {
  /** s3://bucket/prefix */
  readonly place: string;
  readonly bucket: string;
  readonly prefix: string;
}

export class S3Store implements Store {
  readonly place: string;
  readonly #send: S3Client['send'];
  /** Whether the server answered before: then it is waited for. */
  #isKnown = false;
  #isAway = false;

  private constructor(
    private readonly at: S3Place,
    private readonly s3: Library,
    client: S3Client,
    private readonly options: StoreOptions,
  ) {
    this.place = at.place;
    this.#send = client.send.bind(client);
  }

  /** @param silence longest within a request, ms @throws UserError where the package is missing */
  static async open(at: S3Place, options: StoreOptions, silence = SILENCE_MS): Promise<S3Store> {
    const s3 = await library();
    const client = new s3.S3Client({
      maxAttempts: Number(process.env.AWS_MAX_ATTEMPTS) || TRIES,
      // Names of buckets need no address of their own, which servers beside AWS mostly do not have.
      forcePathStyle: true,
      followRegionRedirects: true,
      // Other servers do not know all of AWS' checksums; what is sent is signed with its SHA-256.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECTION_MS, socketTimeout: silence },
    });
    return new S3Store(at, s3, client, options);
  }

  /** Nothing: a bucket is its owner's to make, and the first file tells whether it can be written. */
  async create(): Promise<void> {}

  lock(cluster: Cluster): Promise<() => Promise<void>> {
    return lockInRedis(cluster, this.place, this.options);
  }

  async names(): Promise<string[]> {
    const { bucket, prefix } = this.at;
    const names: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#ask((abortSignal) =>
        this.#send(
          new this.s3.ListObjectsV2Command({
            Bucket: bucket,
            Prefix: `${prefix}/`,
            ContinuationToken: token,
          }),
          { abortSignal },
        ),
      );
      for (const { Key } of page.Contents ?? []) if (Key) names.push(Key.slice(prefix.length + 1));
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return names;
  }

  async has(name: string): Promise<boolean> {
    const command = new this.s3.HeadObjectCommand(this.#object(name));
    return (await this.#askFor((abortSignal) => this.#send(command, { abortSignal }))) !== undefined;
  }

  read(name: string): Promise<string | undefined> {
    const command = new this.s3.GetObjectCommand(this.#object(name));
    return this.#askFor(async (abortSignal) => {
      const { Body } = await this.#send(command, { abortSignal });
      return Body?.transformToString();
    });
  }

  async write(name: string, text: string): Promise<void> {
    const command = new this.s3.PutObjectCommand({
      ...this.#object(name),
      Body: text,
      ContentType: 'application/json',
    });
    await this.#ask((abortSignal) => this.#send(command, { abortSignal }));
  }

  async remove(names: readonly string[]): Promise<void> {
    // One by one: not all servers remove many at once.
    for (const some of inBatches(names, REMOVED_AT_ONCE))
      await Promise.all(
        some.map((name) =>
          this.#ask((abortSignal) =>
            this.#send(new this.s3.DeleteObjectCommand(this.#object(name)), { abortSignal }),
          ),
        ),
      );
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.at.bucket, Key: `${this.at.prefix}/${name}` };
  }

  /** Undefined where there is no such object. */
  async #askFor<T>(work: (signal: AbortSignal | undefined) => Promise<T>): Promise<T | undefined> {
    return this.#ask((signal) =>
      work(signal).catch((error: S3Failure) => {
        // A head has no body that could tell a missing bucket; writing does.
        if (error.name === 'NoSuchKey' || error.name === 'NotFound') return undefined;
        throw error;
      }),
    );
  }

  async #ask<T>(work: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    const { signal, onNote } = this.options;
    for (let failed = 1; ; failed++) {
      try {
        const found = await work(signal);
        if (this.#isAway) onNote(`${this.place}: is back`);
        this.#isAway = false;
        this.#isKnown = true;
        return found;
      } catch (error) {
        signal?.throwIfAborted();
        const failure = error as S3Failure;
        // The client does not try again what breaks in the middle of an answer.
        const isFirst = failed === 1;
        if (!isPassing(failure) || !(this.#isKnown || isFirst)) throw refusal(this.at, failure);
        if (!this.#isAway && !isFirst) {
          onNote(`${this.place}: is away: ${reasonOf(failure)}; waiting for it`);
          this.#isAway = true;
        }
        await wait(isFirst ? 0 : PAUSE_MS, undefined, signal && { signal }).catch(() => {});
        signal?.throwIfAborted();
      }
    }
  }
}

async function library(): Promise<Library> {
  // Seven lines on Node 20, where the version that package.json names goes on working.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  try {
    return await import('@aws-sdk/client-s3');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UserError(
      '--store: the package @aws-sdk/client-s3 is not installed; expected it for S3: npm install @aws-sdk/client-s3@3.1175',
    );
  }
}

/** An error of the client: of the server, of the network, or of what it found in the environment. */
interface S3Failure extends Error {
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const statusOf = ({ $metadata }: S3Failure): number | undefined => $metadata?.httpStatusCode;

const NETWORK =
  /^(E(CONN\w+|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)|Timeout\w*|RequestTimeout\w*|SlowDown|Throttling\w*|AbortError)$/;

/** Whether the same request may succeed later: tried again often enough, it did not now. */
const isPassing = (failure: S3Failure): boolean =>
  (statusOf(failure) ?? 0) >= 500 || NETWORK.test(failure.code ?? '') || NETWORK.test(failure.name);

function reasonOf(failure: S3Failure): string {
  const status = statusOf(failure);
  const name = [failure.code ?? failure.name, status !== undefined && status >= 300 && `status ${status}`];
  const said = failure.message === 'UnknownError' ? '' : printable(failure.message).trim();
  const code = name.filter(Boolean).join(', ');
  return said === '' || said === failure.name ? code : `${said} (${code})`;
}

function refusal({ place, bucket }: S3Place, failure: S3Failure): unknown {
  const line = (text: string) => new UserError(`${place}: ${text}`, { cause: failure });
  const { name, message } = failure;
  if (name === 'NoSuchBucket')
    return line(`found no bucket "${bucket}"; expected one that exists: it is not made here`);
  if (name === 'CredentialsProviderError')
    return line(
      'found no credentials for S3; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE)',
    );
  if (/region is missing/i.test(message)) return line('found no region for S3; expected AWS_REGION');
  if (/Redirect$|^AuthorizationHeaderMalformed$|^IllegalLocationConstraint/.test(name))
    return line(`the bucket is of another region: ${reasonOf(failure)}; expected its own as AWS_REGION`);
  if (/^(ExpiredToken\w*|TokenRefreshRequired|RequestExpired)$/.test(name))
    return line(`the credentials have expired: ${reasonOf(failure)}; expected new ones`);
  if (isPassing(failure))
    return line(`cannot be reached: ${reasonOf(failure)}; expected S3, or a server at AWS_ENDPOINT_URL_S3`);
  const status = statusOf(failure);
  if (status !== undefined && status >= 300) return line(`refuses: ${reasonOf(failure)}`);
  return failure;
}
