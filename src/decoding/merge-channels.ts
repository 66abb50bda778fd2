/** Transcripts of the channels of a recording, merged by time, and of a clip, in the time of the whole recording. */
import type { AudioSource } from '../audio/audio-source.ts';
import type { LanguageSpan, Segment, Transcript } from './transcript.ts';

/** @param transcripts of each channel, at least one */
export function mergedChannels<Audio extends AudioSource>(
  transcripts: readonly Transcript<Audio>[],
): Transcript<Audio> {
  const segments = transcripts
    .flatMap(({ segments }, i) => segments.map((segment): Segment => ({ channel: i + 1, ...segment })))
    .sort((a, b) => a.start - b.start);
  const tokens = (some: readonly Segment[]): number =>
    some.reduce((sum, segment) => sum + segment.tokens.length + 1, 0);
  const counted = tokens(segments);
  const weighted = transcripts.reduce(
    (sum, { averageLogProbability, segments }) => sum + averageLogProbability * tokens(segments),
    0,
  );
  const { audio, duration } = transcripts[0]!;
  return {
    audio,
    // Of the channel with the most text.
    language: transcripts.reduce((most, one) => (one.text.length > most.text.length ? one : most)).language,
    text: segments.map(({ text }) => text.trim()).join(' '),
    duration,
    averageLogProbability: counted === 0 ? 0 : weighted / counted,
    channels: transcripts.map(({ language, languageProbability, text }, i) => ({
      channel: i + 1,
      language,
      ...(languageProbability !== undefined && { languageProbability }),
      text,
    })),
    segments,
    ...(transcripts.some(({ turns }) => turns) && {
      turns: transcripts.flatMap(({ turns = [] }) => turns).sort((a, b) => a.start - b.start),
    }),
  };
}

interface Segments {
  readonly parts: readonly { readonly segments: readonly Segment[]; readonly done: boolean }[];
  /** Whether no part follows. */
  readonly planned: boolean;
}

/**
 * The segments of tracks by time, as far as they are complete; each call continues where the last one ended. Of several
 * tracks they have their channel.
 */
export function segmentsByTime(tracks: readonly Segments[]): () => Iterable<Segment> {
  const places = tracks.map(() => ({ part: 0, segment: 0 }));
  /** The next segment of a track; undefined: not yet; null: none any more. */
  const next = (track: number): Segment | undefined | null => {
    const { parts, planned } = tracks[track]!;
    const place = places[track]!;
    for (; place.part < parts.length; place.part++, place.segment = 0) {
      const { segments, done } = parts[place.part]!;
      if (place.segment < segments.length) return segments[place.segment]!;
      if (!done) return undefined;
    }
    return planned ? null : undefined;
  };
  return function* () {
    for (;;) {
      let first: number | undefined;
      let earliest: Segment | undefined;
      for (const track of tracks.keys()) {
        const segment = next(track);
        if (segment === undefined) return;
        if (segment && (!earliest || segment.start < earliest.start)) {
          earliest = segment;
          first = track;
        }
      }
      if (!earliest || first === undefined) return;
      places[first]!.segment++;
      yield tracks.length > 1 ? { channel: first + 1, ...earliest } : earliest;
    }
  };
}

/** A transcript in the time of a recording of which it is a clip that begins at `seconds`. */
export const later = <Audio extends AudioSource>(
  transcript: Transcript<Audio>,
  seconds = 0,
): Transcript<Audio> =>
  seconds === 0
    ? transcript
    : {
        ...transcript,
        segments: transcript.segments.map((segment) => laterSegment(segment, seconds)),
        ...(transcript.turns && { turns: transcript.turns.map((turn) => moved(turn, seconds)) }),
      };

export function laterSegment(segment: Segment, seconds = 0): Segment {
  if (seconds === 0) return segment;
  const { words, englishWords, spans } = segment;
  const timed = ({ start, end, ...span }: LanguageSpan): LanguageSpan =>
    start === undefined || end === undefined ? span : { ...span, ...moved({ start, end }, seconds) };
  return {
    ...moved(segment, seconds),
    ...(words && { words: words.map((word) => moved(word, seconds)) }),
    ...(englishWords && { englishWords: englishWords.map((word) => moved(word, seconds)) }),
    ...(spans && { spans: spans.map(timed) }),
  };
}

const moved = <T extends { readonly start: number; readonly end: number }>(one: T, seconds: number): T => ({
  ...one,
  start: one.start + seconds,
  end: one.end + seconds,
});
