/** Sends a part of a file to an address that the hub signed. `fetch` cannot: a stream has no Content-Length there. */
import { createReadStream } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { printable } from '../report/escape.ts';
import { Broken, HubError, Stall } from './client.ts';

export interface Sending {
  /** What is sent, the beginning of messages. */
  readonly what: string;
  readonly file: string;
  /** Bytes of the file, from `start` to before `end`. */
  readonly start: number;
  readonly end: number;
  /** Longest wait in which nothing moves, ms. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
  readonly onSent?: ((bytes: number) => void) | undefined;
}

/** Sends bytes by PUT, without the token. @returns the ETag of the answer, '' where it has none */
export function putBytes(
  address: string,
  { what, file, start, end, timeout, signal, onSent }: Sending,
): Promise<string> {
  const url = new URL(address);
  const stall = new Stall(timeout, signal);
  return new Promise<string>((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: 'PUT',
      headers: { 'content-length': end - start },
      signal: stall.signal,
    });
    const source =
      end > start ? createReadStream(file, { start, end: end - 1, highWaterMark: 1 << 18 }) : undefined;
    const fail = (error: unknown): void => {
      source?.destroy();
      request.destroy();
      reject(error);
    };
    request.on('error', (error) => fail(stall.broken(error, url)));
    request.on('response', (response) => {
      const { statusCode: status = 0, headers } = response;
      let said = '';
      response.on('data', (piece: Buffer) => {
        if (said.length < 1000) said += piece.toString('latin1');
      });
      response.on('error', (error) => fail(stall.broken(error, url)));
      response.on('end', () => {
        if (status >= 200 && status < 300) return resolve(headers.etag ?? '');
        if (status >= 500 || status === 429) return fail(new Broken(`${url.host} answers ${status}`));
        fail(
          new HubError(
            `${what}: ${url.host} does not take it: it answers ${status}: ${printable(said)}`,
            status,
          ),
        );
      });
    });
    if (!source) {
      request.end();
      return;
    }
    source.on('error', fail);
    source.on('data', (piece) => {
      stall.moved();
      onSent?.(piece.length);
      if (request.write(piece)) return;
      source.pause();
      request.once('drain', () => source.resume());
    });
    source.on('end', () => request.end());
  }).finally(() => stall.end());
}
