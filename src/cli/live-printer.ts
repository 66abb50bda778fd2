/** Prints live events: on a terminal the utterance in progress with its tentative text in grey, else a line for each commit. */
import type { LiveEvent, LiveText } from '../live/events.ts';
import { displayWidth } from '../report/display-width.ts';
import { withoutControls } from '../report/escape.ts';
import { formatClock } from '../report/format.ts';
import { usesColour } from '../report/terminal.ts';

export interface LiveTerminal {
  isTTY?: boolean;
  columns?: number;
  hasColors?: (count?: number) => boolean;
  write(text: string): unknown;
}

interface Row {
  committed: string;
  tentative: string;
}

const GREY: readonly [string, string] = ['\u001b[90m', '\u001b[39m'];
const CLEAR_LINE = '\r\u001b[K';
const LINE_UP = '\u001b[1A';

export class LivePrinter {
  /** Rows of the utterance in progress: its English, where the model writes that first, and its text. */
  #rows: Row[] = [];
  #drawn = 0;

  constructor(
    private readonly output: LiveTerminal,
    private readonly options: { readonly json: boolean; readonly onNote: (note: string) => void },
  ) {}

  print(event: LiveEvent): void {
    if (this.options.json) this.output.write(`${JSON.stringify(event)}\n`);
    else if (event.type === 'mode') this.#note(event);
    else if (event.type === 'text') {
      if (this.output.isTTY) this.#draw([...(event.english ? [event.english] : []), event.text]);
      else this.#lines(event.time, event.english, event.text);
    } else if (event.type === 'utterance' && this.output.isTTY) {
      this.#erase();
      this.#rows = [];
      if (event.english) this.output.write(`${this.#grey(withoutControls(event.english))}\n`);
      if (event.text !== '') this.output.write(`${withoutControls(event.text)}\n`);
    }
  }

  /** Leaves what is committed of an utterance that did not end. */
  end(): void {
    if (this.#rows.length === 0) return;
    this.#erase();
    for (const { committed } of this.#rows) if (committed !== '') this.output.write(`${committed.trim()}\n`);
    this.#rows = [];
  }

  #note({ mode, dropped }: Extract<LiveEvent, { type: 'mode' }>): void {
    if (this.output.isTTY) this.#erase();
    if (dropped > 0)
      this.options.onNote(`${dropped.toFixed(1)} s of speech were dropped: decoding is too slow for them`);
    else if (mode === 'live') this.options.onNote('caught up: text comes while somebody speaks again');
    else
      this.options.onNote(
        'speech comes faster than it is decoded: each utterance is decoded once, at its end',
      );
  }

  #lines(time: number, english: LiveText | undefined, text: LiveText): void {
    const line = (label: string, { committed }: LiveText) => {
      if (committed.trim() === '') return;
      this.output.write(`${formatClock(time)}  ${label}${withoutControls(committed.trim())}\n`);
    };
    if (english) line('en: ', english);
    line('', text);
  }

  #draw(texts: readonly LiveText[]): void {
    this.#erase();
    this.#rows = texts.map(({ committed, tentative }, i) => ({
      committed: (this.#rows[i]?.committed ?? '') + withoutControls(committed),
      tentative: withoutControls(tentative),
    }));
    const columns = (this.output.columns ?? 80) - 1;
    const lines = this.#rows.map(({ committed, tentative }) => {
      const shown = lastColumns(
        committed.trimStart(),
        Math.max(columns - displayWidth(tentative), columns >> 1),
      );
      return shown + this.#grey(firstColumns(tentative, columns - displayWidth(shown)));
    });
    this.output.write(lines.join('\n'));
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn === 0) return;
    this.output.write(CLEAR_LINE + `${LINE_UP}${CLEAR_LINE}`.repeat(this.#drawn - 1));
    this.#drawn = 0;
  }

  #grey(text: string): string {
    return text !== '' && usesColour(this.output) ? `${GREY[0]}${text}${GREY[1]}` : text;
  }
}

function firstColumns(text: string, columns: number): string {
  const characters = [...text];
  while (characters.length > 0 && displayWidth(characters.join('')) > columns) characters.pop();
  return characters.join('');
}

function lastColumns(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  const characters = [...text];
  while (characters.length > 0 && displayWidth(characters.join('')) > columns - 1) characters.shift();
  return `…${characters.join('')}`;
}
