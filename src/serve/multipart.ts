/**
 * Reads a form with a recording: multipart/form-data, its parts in any order. The recording goes to a file while it comes,
 * so that a large one takes no memory, and what is too much is refused before it has come whole.
 */
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';
import busboy from 'busboy';
import { reasonOf } from '../files/system-error.ts';
import { ApiError, badRequest } from './api-error.ts';
import type { Uploads } from './uploads.ts';

export interface Form {
  /** Values of each field by its name, without the `[]` of lists. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  readonly file: UploadedFile;
}

export interface UploadedFile {
  /** Where the server put it. */
  readonly path: string;
  /** As the client named it, fit for a message. */
  readonly name: string;
  readonly bytes: number;
}

export interface FormLimits {
  /** Bytes of the whole form. */
  readonly maxBytes: number;
  /** Longest time without a byte, milliseconds. */
  readonly idleMs: number;
  /** Longest time for the whole form, milliseconds. */
  readonly totalMs: number;
}

/** Of one field; a prompt has at most some 200 tokens. */
const MAX_FIELD_BYTES = 64 * 1024;
const MAX_PARTS = 200;
const MAX_NAME = 80;

/**
 * @throws ApiError of 400 for what is no such form, without a recording or with several; of 408 where it comes too slowly, of
 * 413 where it is too large
 * @throws DOMException `AbortError` where the client hangs up
 */
export async function readForm(
  incoming: IncomingMessage,
  uploads: Uploads,
  limits: FormLimits,
): Promise<Form> {
  const stated = Number(incoming.headers['content-length'] ?? 0);
  if (stated > limits.maxBytes) throw tooLarge(limits.maxBytes, stated);
  const reading = new FormReading(parserOf(incoming), uploads);
  try {
    return await reading.of(incoming, limits);
  } catch (error) {
    await reading.discard();
    throw error;
  }
}

function parserOf({ headers }: IncomingMessage): busboy.Busboy {
  const type = headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type))
    throw badRequest(
      `content-type: found ${type === '' ? 'none' : JSON.stringify(type.slice(0, MAX_NAME))}; expected multipart/form-data with a boundary`,
    );
  try {
    return busboy({
      headers,
      defParamCharset: 'utf8',
      limits: { fieldNameSize: 100, fieldSize: MAX_FIELD_BYTES, parts: MAX_PARTS, headerPairs: 50 },
    });
  } catch (error) {
    throw badRequest(
      `content-type: ${(error as Error).message}; expected multipart/form-data with a boundary`,
    );
  }
}

class FormReading {
  readonly #fields = new Map<string, string[]>();
  readonly #otherFiles: string[] = [];
  #file: Omit<UploadedFile, 'bytes'> | undefined;
  #fileBytes = 0;
  #written: Promise<void> | undefined;
  #fail: (error: unknown) => void = () => {};

  constructor(
    private readonly parser: busboy.Busboy,
    private readonly uploads: Uploads,
  ) {}

  async of(incoming: IncomingMessage, { maxBytes, idleMs, totalMs }: FormLimits): Promise<Form> {
    const { parser } = this;
    let bytes = 0;
    let timer: NodeJS.Timeout | undefined;
    const tooSlow = (ms: number, what: string) => () =>
      this.#fail(
        new ApiError(408, `found ${what} after ${ms / 1000} s; expected the whole form`, {
          headers: { 'x-should-retry': 'false' },
        }),
      );
    const total = setTimeout(tooSlow(totalMs, 'only part of the upload'), totalMs);
    const waitForBytes = (): void => {
      clearTimeout(timer);
      timer = setTimeout(tooSlow(idleMs, 'no more of the upload'), idleMs);
    };
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > maxBytes) this.#fail(tooLarge(maxBytes, bytes));
      waitForBytes();
    };
    const onClose = (): void => {
      if (!incoming.complete) this.#fail(new DOMException('the client hung up', 'AbortError'));
    };
    incoming.on('data', onData);
    incoming.on('close', onClose);
    incoming.on('error', onClose);
    waitForBytes();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        if (incoming.destroyed) onClose();
        parser.on('field', (name, value, { nameTruncated, valueTruncated }) =>
          this.#field(name, value, nameTruncated, valueTruncated),
        );
        parser.on('file', (name, stream, { filename }) => this.#upload(name, stream, filename));
        parser.on('partsLimit', () => reject(badRequest(`found more than ${MAX_PARTS} parts in the form`)));
        parser.on('error', (error: Error) =>
          reject(badRequest(`found a form that is damaged: ${error.message}`)),
        );
        parser.on('close', resolve);
        incoming.pipe(parser);
      });
      await this.#written;
      return { fields: this.#fields, file: this.#received() };
    } finally {
      clearTimeout(timer);
      clearTimeout(total);
      incoming.off('data', onData);
      incoming.off('close', onClose);
      incoming.unpipe(parser);
    }
  }

  /**
   * @param name undefined where the part has none
   * @param value undefined where it is in a charset that busboy does not know, whatever its types say
   */
  #field(
    name: string | undefined,
    value: string | undefined,
    nameTruncated: boolean,
    valueTruncated: boolean,
  ): void {
    if (name === undefined || nameTruncated) return;
    const key = name.replace(/\[\d*\]$/, '');
    if (value === undefined) {
      this.#fail(badRequest(`${key}: found a text in an unknown charset; expected UTF-8`, key));
      return;
    }
    if (valueTruncated && key !== 'file')
      this.#fail(badRequest(`${key}: found more than ${MAX_FIELD_BYTES} bytes`, key));
    const values = this.#fields.get(key) ?? [];
    values.push(value);
    this.#fields.set(key, values);
  }

  #upload(name: string | undefined, stream: NodeJS.ReadableStream, filename: string | undefined): void {
    // Not read, it would hold up the rest; it errs where the form ends in it, which the form tells.
    const skip = (): void => {
      stream.on('error', () => {}).resume();
    };
    if (name !== 'file') {
      this.#otherFiles.push(name ?? '');
      skip();
      return;
    }
    if (this.#file) {
      this.#fail(badRequest('file: found two files; expected one', 'file'));
      skip();
      return;
    }
    this.#file = { path: this.uploads.newPath(), name: shownName(filename) };
    const target = createWriteStream(this.#file.path, { flags: 'wx', mode: 0o600 });
    stream.on('data', (piece: Buffer) => {
      this.#fileBytes += piece.length;
    });
    stream.on('error', () => target.destroy());
    this.#written = finished(stream.pipe(target)).catch((error: unknown) => {
      const reason = reasonOf(error);
      // A full disk is not the client's fault, nor does it pass by asking at once again.
      this.#fail(
        reason === undefined
          ? error
          : new ApiError(503, `the upload cannot be kept: ${reason}`, {
              type: 'server_error',
              headers: { 'retry-after': '60' },
            }),
      );
    });
  }

  #received(): UploadedFile {
    if (!this.#file) {
      const found = this.#fields.has('file')
        ? 'a text'
        : this.#otherFiles.length > 0
          ? `only ${JSON.stringify(this.#otherFiles[0]!.slice(0, MAX_NAME))}`
          : 'none';
      throw badRequest(
        `file: found ${found}; expected a file with a recording under the name "file"`,
        'file',
      );
    }
    if (this.#fileBytes === 0)
      throw badRequest(`file: found no bytes in ${this.#file.name}; expected a recording`, 'file');
    return { ...this.#file, bytes: this.#fileBytes };
  }

  /** Stops, and removes what was written. */
  async discard(): Promise<void> {
    this.parser.on('error', () => {}).destroy();
    await this.#written;
    if (this.#file) await this.uploads.remove(this.#file.path);
  }
}

const tooLarge = (limit: number, bytes: number): ApiError =>
  new ApiError(413, `Maximum content size limit (${limit}) exceeded (${bytes} bytes read)`, {
    type: 'server_error',
  });

/** A client's name of a file, without folders and what a terminal or a page would obey. */
function shownName(filename: string | undefined): string {
  const name = (filename ?? '').split(/[\\/]/).at(-1)!.replace(/\p{C}/gu, '').slice(0, MAX_NAME).trim();
  return name === '' ? 'the recording' : name;
}
