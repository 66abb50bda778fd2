/** Lines of a latency log, in SimulEval's format, from the events of a session: one for each utterance. */
import { type LatencyLine, latencyUnits } from '../metrics/latency.ts';
import type { LiveEvent } from './events.ts';

interface Commit {
  /** Characters of the utterance's text so far. */
  readonly length: number;
  /** Seconds of the stream. */
  readonly time: number;
  readonly lag: number;
}

export class LatencyLog {
  #commits: Commit[] = [];
  #text = '';
  #count = 0;

  /** @param source name of the recording */
  constructor(
    private readonly source: string,
    /** The language that is written; undefined: the one spoken. */
    private readonly language: string | undefined,
  ) {}

  /** @returns the line of an utterance that has ended with text */
  add(event: LiveEvent): LatencyLine | undefined {
    if (event.type === 'text') {
      if (event.text.committed === '') return undefined;
      this.#text += event.text.committed;
      this.#commits.push({ length: this.#text.trimStart().length, time: event.time, lag: event.lag });
    }
    if (event.type !== 'utterance') return undefined;
    const [commits, text] = [this.#commits, this.#text.trim()];
    [this.#commits, this.#text] = [[], ''];
    if (text === '') return undefined;
    const units = latencyUnits(text, this.language ?? event.language ?? 'en');
    const times = unitEnds(text, units).map((end) => commits.find(({ length }) => length >= end)!);
    const milliseconds = (time: number): number => Math.round((time - event.start) * 1e6) / 1e3;
    return {
      index: this.#count++,
      prediction: text,
      delays: times.map(({ time }) => milliseconds(time)),
      elapsed: times.map(({ time, lag }) => milliseconds(time + lag)),
      prediction_length: units.length,
      reference: '',
      source: [this.source, `samplerate: 16000`, `${event.start.toFixed(3)}-${event.end.toFixed(3)}`],
      source_length: milliseconds(event.end),
    };
  }
}

/** Where each unit ends in the text. */
function unitEnds(text: string, units: readonly string[]): number[] {
  let at = 0;
  return units.map((unit) => {
    at = text.indexOf(unit, at) + unit.length;
    return at;
  });
}
