/** `whisper-transfer segment`: clips of long recordings by their subtitles. */
import type { Command } from 'commander';
import { abortable } from '../abort.ts';
import { audioInputsOrErrors } from '../data/audio-inputs.ts';
import { writeManifest } from '../data/manifest-write.ts';
import {
  type SegmentCounts,
  segmentRecordings,
  type TierName,
} from '../data/subtitles/segment-recordings.ts';
import { UserError } from '../errors.ts';
import { checkWritable } from '../files/write-whole.ts';
import { namedLanguage } from '../language/profile.ts';
import { formatNumber } from '../report/format.ts';
import { failedFiles, positiveNumber, spokenLanguage } from './options.ts';
import { showWork } from './show-work.ts';

interface Flags {
  readonly subtitles: string[];
  readonly output: string;
  readonly from?: string;
  readonly max: number;
  readonly tier?: string[];
  readonly set: string;
}

/** Of one kind, on standard error; the rest is counted. */
const SHOWN = 20;
/** Kinds of sound notes in the summary. */
const NOTES = 5;

export function segmentCommand(command: Command): Command {
  return command
    .argument(
      '<recordings...>',
      'recordings of any length, folders of them, or members of a tar (talks.tar#talk.mp3)',
    )
    .requiredOption(
      '--subtitles <files...>',
      'of the recordings, by name: talk.srt, talk.de.vtt, talk.TextGrid or talk.eaf for talk.mp3',
    )
    .requiredOption(
      '--output <tsv>',
      'the manifest; its rows are parts of the recordings, no audio is written',
    )
    .option(
      '--from <language>',
      'language spoken; default: that of the only subtitles, by its code in their name',
      spokenLanguage,
    )
    .option('--max <seconds>', 'longest clip', positiveNumber, 30)
    .option(
      '--tier <names...>',
      'tier of a TextGrid or ELAN file; several with their languages: --tier en=Transcript de=German',
    )
    .option('--set <name>', 'set of all clips, such as train', '')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer segment talk.mp3 --subtitles talk.en.srt talk.de.vtt --from en --output clips.tsv',
    )
    .action(segment);
}

async function segment(paths: string[], flags: Flags): Promise<void> {
  const { output, subtitles, from, max, set } = flags;
  const tiers = flags.tier?.map(tierName);
  await checkWritable(output);
  const work = showWork();
  const inputs = await audioInputsOrErrors(paths, work);
  const counts: SegmentCounts = {
    ...{ recordings: 0, clips: 0, seconds: 0, cues: 0, used: 0, cut: 0, failed: 0 },
    soundNotes: new Map(),
    texts: new Map(),
  };
  let problems = 0;
  const onProblem = (line: string): void => {
    work.clear();
    if (++problems <= SHOWN) process.stderr.write(`${line}\n`);
  };
  const recordings: string[] = [];
  for (const { audio, error } of inputs) {
    if (error === undefined) recordings.push(audio);
    else {
      counts.failed++;
      onProblem(error);
    }
  }
  if (recordings.length > 0) {
    const settings = { recordings, subtitles, from, tiers, max, set };
    const clips = segmentRecordings(settings, counts, onProblem, work);
    const first = await abortable(work.signal, () => clips.next());
    if (!first.done) {
      const all = async function* () {
        yield first.value;
        yield* clips;
      };
      await abortable(work.signal, () => writeManifest(output, all()));
    }
  }
  work.end();
  if (problems > SHOWN) process.stderr.write(`… and ${formatNumber(problems - SHOWN)} lines more\n`);
  if (counts.clips === 0)
    throw new UserError(`${output}: found no clip; expected at least one. Nothing was written`);
  console.log(summary(output, counts, max));
  failedFiles(counts.failed, inputs.length + subtitles.length);
}

function summary(output: string, counts: SegmentCounts, max: number): string {
  const { clips, seconds, recordings, cues, used, cut, soundNotes, texts } = counts;
  const of = (count: number, one: string) => `${formatNumber(count)} ${one}${count === 1 ? '' : 's'}`;
  const languages = [...texts].map(([code, count]) => `${code} ${formatNumber(count)}`).join(', ');
  const lines = [
    `${output}: ${of(clips, 'clip')}, ${(seconds / 60).toFixed(1)} min, of ${of(recordings, 'recording')}; ` +
      `with a text in ${languages}; ${formatNumber(used)} of ${of(cues, 'cue')} used`,
  ];
  if (cut > 0) lines.push(`${of(cut, 'clip')} end within a sentence, which is longer than ${max} s`);
  if (soundNotes.size > 0) {
    const sorted = [...soundNotes].sort(([, a], [, b]) => b - a);
    const all = sorted.reduce((sum, [, count]) => sum + count, 0);
    const named = sorted
      .slice(0, NOTES)
      .map(([note, count]) => `${note.slice(0, 30)} ${formatNumber(count)}`);
    const more = sorted.length > NOTES ? ', …' : '';
    lines.push(`${of(all, 'sound note')} left out: ${named.join(', ')}${more}`);
  }
  return lines.join('\n');
}

/** `German`, or `de=German`. */
function tierName(text: string): TierName {
  const [, language, tier] = /^([A-Za-z_-]{2,})=(.+)$/.exec(text) ?? [];
  if (language === undefined) return { tier: text };
  return { language: namedLanguage(language, '--tier: ').code, tier: tier! };
}
