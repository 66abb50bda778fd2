/** A recording by microphone, with its text while it is spoken. */
import { wavHeader } from '../../../audio/wav-write.ts';
import type { LiveEvent } from '../../../live/events.ts';
import { languageName } from '../../../report/format.ts';
import type { Failure } from './api.ts';
import { type Microphone, openMicrophone } from './capture.ts';
import { clock } from './dom.ts';
import { LiveStream } from './live.ts';
import { clearNotice, say, setFigures, setStatus } from './messages.ts';
import type { Side } from './rows.ts';
import type { ShownRow, TextView } from './text-view.ts';

export interface RecordingOptions {
  /** Id of the model. */
  readonly model: string;
  readonly from: string | undefined;
  readonly to: string;
  readonly asked: readonly Side[];
  /** Whether translations come with the English that the model writes first. */
  readonly englishFirst: boolean;
}

/** Blocks of 100 ms that are put together: the browser may keep what they hold on the disk. */
const BLOCKS = 600;
/** Lags that the shown one is the median of. */
const LAGS = 5;
/** Peaks below this are silence, for the ring about the button. */
const QUIET = 0.01;

/** What the two streams of a recording write; with one that writes English first, it writes both. */
interface Stream {
  readonly side: Side;
  readonly live: LiveStream;
  over: boolean;
}

export class Recording {
  readonly #options: RecordingOptions;
  readonly #view: TextView;
  readonly #onOver: (recording: Recording) => void;
  #microphone: Microphone | undefined;
  #streams: Stream[] = [];
  #blocks: BlobPart[] = [];
  #parts: BlobPart[] = [];
  #samples = 0;
  #lags: number[] = [];
  #voiceCut = false;
  #rate = 0;
  #over = false;
  readonly languages: Partial<Record<Side, string>> = {};

  /** @param onOver nothing more comes */
  constructor(options: RecordingOptions, view: TextView, onOver: (recording: Recording) => void) {
    this.#options = options;
    this.#view = view;
    this.#onOver = onOver;
  }

  /** @throws Failure where there is no microphone */
  async start(): Promise<void> {
    const { model, from, to, asked, englishFirst } = this.#options;
    this.#microphone = await openMicrophone(
      ({ samples, peak }) => this.#heard(samples, peak),
      () => {
        say('The microphone was taken away. What was said until then is here.');
        void this.stop();
      },
    );
    const { rate } = this.#microphone;
    if (from && !englishFirst) this.#name('original', from);
    if (englishFirst) this.#name('original', 'en');
    this.#name('translation', to);
    this.#streams = asked.map((side) => {
      const task = side === 'original' ? 'transcribe' : 'translate';
      const stream: Stream = {
        side,
        over: false,
        live: new LiveStream(
          { model, task, from, rate, ...(task === 'translate' && { to }) },
          this.#listener(side, () => stream),
        ),
      };
      return stream;
    });
  }

  /** Ends the sound; the last text comes later. */
  async stop(): Promise<void> {
    const microphone = this.#microphone;
    if (!microphone) return;
    this.#microphone = undefined;
    this.#level(0);
    setStatus('Writing the last words');
    await microphone.stop();
    this.#rate = microphone.rate;
    for (const { live } of this.#streams) live.end();
  }

  /** The user does not want to wait for the last text. */
  abandon(): void {
    for (const { live } of this.#streams) live.close();
  }

  get isOver(): boolean {
    return this.#over;
  }

  get seconds(): number {
    const rate = this.#microphone?.rate ?? this.#rate;
    return rate === 0 ? 0 : this.#samples / rate;
  }

  /** The sound, once it has ended. */
  get sound(): Blob {
    const bytes = 2 * this.#samples;
    return new Blob([wavHeader(bytes, this.#rate), ...this.#parts, ...this.#blocks], { type: 'audio/wav' });
  }

  /** Seconds that text came behind its sound, as a rule; undefined where none came. */
  get lag(): number | undefined {
    return [...this.#lags].sort((a, b) => a - b)[this.#lags.length >> 1];
  }

  #heard(samples: Int16Array<ArrayBuffer>, peak: number): void {
    // What comes before the streams are there would shift all times.
    if (this.#streams.length === 0) return;
    this.#samples += samples.length;
    this.#blocks.push(samples);
    if (this.#blocks.length >= BLOCKS) {
      this.#parts.push(new Blob(this.#blocks));
      this.#blocks = [];
    }
    for (const { live, over } of this.#streams) if (!over) live.push(samples);
    this.#level(peak);
    this.#figures();
  }

  #level(peak: number): void {
    const level = peak <= QUIET ? 0 : Math.min(1, 1 + Math.log10(peak) / 2);
    document.querySelector<HTMLElement>('.ring')!.style.setProperty('--level', level.toFixed(2));
  }

  #figures(): void {
    const lag = this.lag;
    setFigures(
      [clock(this.seconds), ''],
      ...(lag === undefined ? [] : ([[`${lag.toFixed(1)} s`, 'behind']] as const)),
    ); // few: one
  }

  #name(side: Side, language: string | undefined): void {
    if (language === undefined || this.languages[side] === language) return;
    this.languages[side] = language;
    this.#view.title(
      side,
      languageName(language),
      side === 'original' && !this.#options.from && !this.#options.englishFirst ? 'detected' : '',
      language,
    );
  }

  #listener(side: Side, stream: () => Stream) {
    const rows = new Map<string, ShownRow>();
    const other: Side = 'original';
    return {
      event: (event: LiveEvent, connection: number, since: number): void => {
        if (event.type === 'mode') {
          this.#mode(event, since);
          return;
        }
        const key = `${connection}:${event.utterance}`;
        const begin = (start: number): ShownRow => {
          const row = rows.get(key) ?? this.#view.beginUtterance(side, since + start);
          rows.set(key, row);
          return row;
        };
        switch (event.type) {
          case 'speech-start':
            begin(event.time);
            return;
          case 'text': {
            const row = begin(event.time);
            row.end = Math.max(row.end, since + event.time);
            this.#view.liveText(row, side, event.text.committed, event.text.tentative);
            if (event.english)
              this.#view.liveText(row, other, event.english.committed, event.english.tentative);
            else if (event.language) this.#name('original', event.language);
            this.#lag(since + event.time, event.lag);
            return;
          }
          case 'utterance': {
            const row = begin(event.start);
            this.#view.endUtterance(row, side, since + event.end, event.text);
            if (event.english !== undefined)
              this.#view.endUtterance(row, other, since + event.end, event.english);
            rows.delete(key);
          }
        }
      },
      waiting: (failure: Failure, seconds: number): void => {
        say(
          `${failure.message} Trying again in ${Math.ceil(seconds)} s. What is written stays.`,
          failure.kind !== 'busy',
        );
        setStatus('No connection');
      },
      connected: (): void => {
        clearNotice();
        if (this.#microphone) setStatus('Listening');
      },
      ended: (failure?: Failure): void => {
        stream().over = true;
        if (failure) say(failure.message, true);
        if (!this.#streams.every(({ over }) => over)) return;
        void this.stop().then(() => {
          this.#over = true;
          this.#view.settle(this.#samples > 0);
          this.#onOver(this);
        });
      },
    };
  }

  /** @param time of the recording that a text was decoded from. @param lag what the server says: the way here adds to it */
  #lag(time: number, lag: number): void {
    if (!this.#microphone) return;
    this.#lags.push(Math.max(lag, this.seconds - time));
    if (this.#lags.length > LAGS) this.#lags.shift();
  }

  #mode({ mode, dropped, time }: Extract<LiveEvent, { type: 'mode' }>, since: number): void {
    const voiceCut = mode === 'voice-cut';
    if (voiceCut !== this.#voiceCut) {
      setStatus(voiceCut ? 'Sentence by sentence' : 'Listening: word by word again');
      if (voiceCut) {
        const advice = this.#streams.length > 1 ? ' Showing only one of the two texts halves the work.' : '';
        say(
          `Speech comes faster than this computer writes: each sentence is written once it has ended.${advice}`,
        );
      }
    }
    this.#voiceCut = voiceCut;
    if (dropped > 0)
      this.#view.note(
        `${clock(since + time)}: ${dropped.toFixed(0)} s of speech were left out: it came too fast.`,
      );
  }
}
