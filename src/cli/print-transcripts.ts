/** Prints transcripts on standard output: whole ones, or the segments of a recording as they come. */
import { formatTime, type SubtitleOptions, speakerLabel } from '../decoding/formats/subtitles.ts';
import {
  formatTranscript,
  type SegmentFormatter,
  segmentFormatter,
  type TranscriptFormat,
  withChannel,
} from '../decoding/formats/transcript-formats.ts';
import type { TranscribeOptions } from '../decoding/transcribe-options.ts';
import type { FailedTranscript, Transcript } from '../decoding/transcript.ts';

/** Shorter recordings are a line on a terminal. */
const LONG_SECONDS = 30;

export interface PrintOptions {
  readonly json?: boolean | undefined;
  readonly alternatives?: boolean | undefined;
  readonly format?: readonly TranscriptFormat[] | undefined;
  readonly layout: SubtitleOptions;
  /** Whether transcripts go to files. */
  readonly toFiles: boolean;
}

export interface TranscriptPrinter {
  /** For `transcribeFiles`, where segments are printed before their recording is done. */
  readonly onSegment: TranscribeOptions['onSegment'];
  readonly print: (result: Transcript | FailedTranscript) => void;
}

export function transcriptPrinter({
  json,
  alternatives,
  format,
  layout,
  toFiles,
}: PrintOptions): TranscriptPrinter {
  const streams = !json && !toFiles && (format ? format.length === 1 : process.stdout.isTTY);
  const formatterOf = (): SegmentFormatter | undefined =>
    format ? segmentFormatter(format[0]!, layout) : timedLines();
  const streamed = streams ? formatterOf() : undefined;
  /** Of the recording whose segments are printed. */
  let formatter: SegmentFormatter | undefined;
  const print = (result: Transcript | FailedTranscript): void => {
    const begun = formatter;
    formatter = undefined;
    if ('error' in result) {
      if (json) console.log(JSON.stringify(result));
      else process.stderr.write(`${result.error}\n`);
    } else if (json) {
      const { alternatives: found, ...rest } = result;
      console.log(JSON.stringify(alternatives ? { ...rest, alternatives: found ?? [] } : rest));
    } else if (toFiles || begun) return;
    else if (format) for (const name of format) process.stdout.write(formatTranscript(result, name, layout));
    else {
      const { audio, language, channels } = result;
      if (!channels) console.log(`${audio}\t${language}\t${textOf(result)}`);
      for (const one of channels ?? [])
        console.log(`${audio} (channel ${one.channel})\t${one.language}\t${one.text}`);
    }
  };
  return {
    print,
    onSegment:
      streamed &&
      ((segment, { audio, language, duration }) => {
        if (!format && duration <= LONG_SECONDS) return;
        if (!formatter) {
          formatter = formatterOf()!;
          process.stdout.write(format ? formatter.head : `${audio}\t${language}\n`);
        }
        process.stdout.write(formatter.add(segment));
      }),
  };
}

/** The text; where speakers were found, each before what they say. */
function textOf({ text, segments, turns }: Transcript): string {
  if (!turns) return text;
  let before: number | undefined;
  let labelled = '';
  for (const segment of segments) {
    const { speaker } = segment;
    if (speaker !== undefined && speaker !== before)
      labelled += ` ${speakerLabel(speaker)}${segment.text.trimStart()}`;
    else labelled += segment.text;
    before = speaker;
  }
  return labelled.trim();
}

function timedLines(): SegmentFormatter {
  const time = (seconds: number) => formatTime(seconds, '.', true);
  return {
    head: '',
    add: (segment) => {
      const { start, end, text, speaker } = withChannel(segment);
      const label = speaker === undefined ? '' : speakerLabel(speaker);
      return `[${time(start)} --> ${time(end)}] ${label}${text.trim().replace(/\s+/g, ' ')}\n`;
    },
  };
}
