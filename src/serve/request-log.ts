/** One line of JSON for each request: what was asked and how it went, nothing of the sound or the text. */
export interface RequestLine {
  readonly id: string;
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  /** Seconds of audio that were transcribed. */
  readonly audio?: number | undefined;
  /** Of a fault of the server's own. */
  readonly fault?: string | undefined;
}

export type RequestLog = (line: RequestLine) => void;

export const logTo =
  (stream: Pick<NodeJS.WritableStream, 'write'>): RequestLog =>
  (line) =>
    void stream.write(`${JSON.stringify({ time: new Date().toISOString(), ...line })}\n`);
