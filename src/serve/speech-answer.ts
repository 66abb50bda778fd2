/** Bodies of answers, in each format. */
import { formatTranscript } from '../decoding/formats/transcript-formats.ts';
import { type Segment, type Transcript, UNKNOWN_LANGUAGE, type Word } from '../decoding/transcript.ts';
import { whisperName } from '../language/names.ts';
import { languageProfile } from '../language/profile.ts';
import type { Task } from '../whisper/tokens.ts';
import type { ServedModel } from './engine.ts';
import { logProbabilities } from './log-probabilities.ts';
import type { ResponseFormat, SpeechFields } from './speech-fields.ts';

export interface Answer {
  readonly type: string;
  readonly body: string;
}

const JSON_TYPE = 'application/json';
/** OpenAI's client takes all but JSON for text. */
const TYPES: Readonly<Record<ResponseFormat, string>> = {
  json: JSON_TYPE,
  verbose_json: JSON_TYPE,
  diarized_json: JSON_TYPE,
  text: 'text/plain; charset=utf-8',
  srt: 'text/plain; charset=utf-8',
  vtt: 'text/vtt; charset=utf-8',
};

export async function speechAnswer(
  task: Task,
  model: ServedModel,
  fields: SpeechFields,
  transcript: Transcript,
): Promise<Answer> {
  const { response_format: format } = fields;
  return { type: TYPES[format], body: await bodyOf(format, task, model, fields, transcript) };
}

async function bodyOf(
  format: ResponseFormat,
  task: Task,
  model: ServedModel,
  fields: SpeechFields,
  transcript: Transcript,
): Promise<string> {
  switch (format) {
    case 'json':
      return JSON.stringify({
        text: transcript.text,
        ...spokenLanguages(transcript),
        ...(fields.include.includes('logprobs') && {
          logprobs: await logProbabilities(model.directory, transcript.segments),
        }),
        usage: durationUsage(transcript),
      });
    case 'verbose_json':
      return JSON.stringify(verbose(task, model, fields, transcript));
    case 'diarized_json':
      return JSON.stringify({
        task,
        duration: transcript.duration,
        text: transcript.text,
        segments: transcript.segments.map(diarizedSegment),
        usage: durationUsage(transcript),
      });
    case 'text':
      return `${transcript.text}\n`;
    case 'srt':
    case 'vtt':
      return formatTranscript(transcript, format);
  }
}

/** The language of the text is that of a translation's words, not of the speech. */
export const writtenLanguage = (
  task: Task,
  { target }: ServedModel,
  { to_language }: Pick<SpeechFields, 'to_language'>,
  spoken: string,
): string => (task === 'translate' ? (to_language ?? target) : spoken);

function verbose(task: Task, model: ServedModel, fields: SpeechFields, transcript: Transcript): object {
  const { timestamp_granularities: granularities } = fields;
  const written = writtenLanguage(task, model, fields, transcript.language);
  return {
    task,
    language: whisperName(languageProfile(written).base),
    duration: transcript.duration,
    text: transcript.text,
    ...(transcript.english !== undefined && { english: transcript.english }),
    ...(granularities.includes('segment') && { segments: transcript.segments.map(verboseSegment) }),
    ...(granularities.includes('word') && { words: wordsOf(transcript.segments) }),
    usage: durationUsage(transcript),
  };
}

const verboseSegment = (segment: Segment, id: number): object => ({
  id,
  // Hundredths of a second, as Whisper's frames: windows here begin where speech does.
  seek: Math.round(segment.start * 100),
  start: segment.start,
  end: segment.end,
  text: segment.text,
  tokens: segment.tokens,
  temperature: segment.temperature,
  avg_logprob: segment.averageLogProbability,
  compression_ratio: segment.compressionRatio,
  no_speech_prob: segment.noSpeechProbability ?? 0,
  ...(segment.english !== undefined && { english: segment.english }),
  ...(segment.englishWords && { english_words: segment.englishWords.flatMap(timedWord) }),
});

const wordsOf = (segments: readonly Segment[]): object[] =>
  segments.flatMap(({ words = [] }) => words.flatMap(timedWord));

const timedWord = ({ text, start, end }: Word): object[] =>
  text.trim() === '' ? [] : [{ word: text.trim(), start, end }];

const diarizedSegment = ({ start, end, text, speaker }: Segment, i: number): object => ({
  type: 'transcript.text.segment',
  id: `seg_${i}`,
  start,
  end,
  // OpenAI's speakers are A, B, …
  speaker: speaker === undefined ? 'unknown' : speakerName(speaker),
  text,
});

/** A segment with its times, as an event. */
export const streamedSegment = (segment: Segment, i: number): object => ({
  ...diarizedSegment(segment, i),
  ...(segment.words && { words: wordsOf([segment]) }),
  ...(segment.english !== undefined && { english: segment.english }),
  ...(segment.englishWords && { english_words: segment.englishWords.flatMap(timedWord) }),
});

/** A to Z, then A2 and so on. */
const speakerName = (speaker: number): string => {
  const round = Math.floor((speaker - 1) / 26);
  return String.fromCharCode(65 + ((speaker - 1) % 26)) + (round > 0 ? String(round + 1) : '');
};

/** The language spoken, as its code; absent where nobody speaks. */
export const spokenLanguages = ({ language }: Transcript): object =>
  language === UNKNOWN_LANGUAGE ? {} : { languages: [{ code: language }] };

const durationUsage = ({ duration }: Transcript): object => ({
  type: 'duration',
  seconds: Math.ceil(duration),
});

/** Encoder frames of a second. */
const FRAMES_PER_SECOND = 50;

/** With `stream`: the encoder's frames, and the tokens of the text. */
export function tokenUsage({ duration, segments }: Transcript): object {
  const audio = Math.ceil(duration * FRAMES_PER_SECOND);
  const written = segments.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return {
    type: 'tokens',
    input_tokens: audio,
    output_tokens: written,
    total_tokens: audio + written,
    input_token_details: { audio_tokens: audio, text_tokens: 0 },
  };
}
