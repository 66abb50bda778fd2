/** Results of transcription and translation. */
import type { AudioSource } from '../audio/audio-source.ts';
import type { TextSpan } from '../language/spans.ts';
import type { SpeakerTurn } from '../speakers/turns.ts';

/** A stretch of the audio with its text. Times in seconds from the beginning of the file. */
export interface Segment {
  /** From 1, where the channels are transcribed apart. */
  readonly channel?: number;
  /** With `speakers`: who speaks, from 1 in the order in which they first speak. */
  readonly speaker?: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** With a model that translates English first: the English text. */
  readonly english?: string;
  /**
   * Word times of `english`: the English half hears the speech, the text in the target language is written from the English
   * one alone, so that its words have no times and `words` is absent.
   */
  readonly englishWords?: readonly Word[];
  /** Ids, timestamp tokens among them. */
  readonly tokens: readonly number[];
  /** Probability of each token, among the allowed tokens. */
  readonly logProbabilities: readonly number[];
  /** Mean over the tokens of the window, the end of text included. */
  readonly averageLogProbability: number;
  /** Bytes of the text over its bytes after zlib: above 2.4 it mostly repeats itself. */
  readonly compressionRatio: number;
  readonly noSpeechProbability?: number;
  /** Temperature of sampling; 0: greedy or beam search. */
  readonly temperature: number;
  /** With `languagePerWindow`: the language spoken, as Whisper's code. */
  readonly language?: string;
  readonly words?: readonly Word[];
  /** With `codeSwitched` languages of different scripts, transcribed: which part of the text is in which. */
  readonly spans?: readonly LanguageSpan[];
}

/** A run of one language in a segment: `text.slice(from, to)`. */
export interface LanguageSpan extends TextSpan {
  /** Seconds; with word timestamps, where a word begins in the span. */
  readonly start?: number;
  readonly end?: number;
}

/** `text` holds the spaces and punctuation around it: the words joined are the segment's text. */
export interface Word {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly probability: number;
  /** With `speakers`: who says it. */
  readonly speaker?: number;
}

/** The language of a recording in which nobody speaks. */
export const UNKNOWN_LANGUAGE = 'unknown';

export interface Transcript<Audio extends AudioSource = string> {
  /** The recording as it was given. */
  readonly audio: Audio;
  /** The language spoken, as Whisper's code; 'unknown' where nobody speaks and none was given. */
  readonly language: string;
  /** Present where the language was detected. */
  readonly languageProbability?: number;
  readonly text: string;
  /** With a model that translates English first: the English text. */
  readonly english?: string;
  /** Seconds. */
  readonly duration: number;
  /** What is missing of the recording, where its file tells: 'cut off: 12.3 of 30.0 s', 'damaged in 2 places'. */
  readonly damage?: string;
  /** Mean over the tokens. */
  readonly averageLogProbability: number;
  readonly segments: readonly Segment[];
  /** With `speakers`: who speaks when, by the sound alone. */
  readonly turns?: readonly SpeakerTurn[];
  /** Of each channel, where they are transcribed apart; `segments` are those of all, by time. */
  readonly channels?: readonly ChannelTranscript[];
  /** Other texts of the search, the best first. */
  readonly alternatives?: readonly { readonly text: string; readonly score: number }[];
}

export interface ChannelTranscript extends Pick<Transcript, 'language' | 'languageProbability' | 'text'> {
  /** From 1. */
  readonly channel: number;
}

/** A recording that could not be transcribed; others are not affected. */
export interface FailedTranscript<Audio extends AudioSource = string> {
  readonly audio: Audio;
  readonly error: string;
}
