/** What in clips was made by a machine, as columns of their manifests say: translations, and recordings. */
import { languageProfile } from '../language/profile.ts';
import { formatNumber, languageName } from '../report/format.ts';
import type { Clip } from './clip.ts';
import { PSEUDO, SYNTHETIC } from './column-names.ts';

export interface MachineMade {
  /** The column: `text_zh`, or `audio` for recordings. */
  readonly column: string;
  /** Clips with such a text or recording. */
  readonly clips: number;
  /** Clips with any text in the column, or any recording. */
  readonly of: number;
  /** Names of the programs or models; the most frequent first. */
  readonly by: readonly string[];
}

/** Names that are remembered; a column may hold anything. */
const MAX_NAMES = 100;

/** Counts clip by clip. */
export class MachineMadeCounts {
  readonly #of = new Map<string, number>();
  readonly #by = new Map<string, Map<string, number>>();

  add({ audio, translations, other }: Clip): void {
    if (audio !== '') this.#count('audio', other[SYNTHETIC]);
    for (const code of Object.keys(translations)) this.#count(`text_${code}`, writerOf(other, code));
  }

  #count(column: string, maker: string | undefined): void {
    this.#of.set(column, (this.#of.get(column) ?? 0) + 1);
    const name = maker?.trim();
    if (!name) return;
    const makers = this.#by.get(column) ?? new Map<string, number>();
    this.#by.set(column, makers);
    const known = makers.has(name) || makers.size < MAX_NAMES ? name : '…';
    makers.set(known, (makers.get(known) ?? 0) + 1);
  }

  /** Columns in which something was made by a machine. */
  list(): MachineMade[] {
    return [...this.#by].map(([column, makers]) => ({
      column,
      clips: [...makers.values()].reduce((sum, count) => sum + count, 0),
      of: this.#of.get(column)!,
      by: [...makers].sort((a, b) => b[1] - a[1]).map(([name]) => name),
    }));
  }
}

/** Who wrote the translation into a language; undefined: nobody is named. */
function writerOf(other: Clip['other'], code: string): string | undefined {
  const own = other[`pseudo_${code}`];
  if (own !== undefined) return own;
  // Other spellings of the code mean the same.
  const name = Object.keys(other).find((column) => {
    const written = PSEUDO.exec(column)?.[1];
    return written !== undefined && languageProfile(written).code === code;
  });
  return name === undefined ? undefined : other[name];
}

/** Words for people: "1,200 of 1,777 translations into Chinese are by machine (qwen3)". */
export function machineMadeText({ column, clips, of, by }: MachineMade): string {
  const [what, how] =
    column === 'audio'
      ? ['recordings', 'synthetic']
      : [`translations into ${languageName(column.slice('text_'.length))}`, 'made by a machine'];
  const shown = by.length > 5 ? `${by.slice(0, 5).join(', ')} …` : by.join(', ');
  return `${formatNumber(clips)} of ${formatNumber(of)} ${what} are ${how} (${shown})`;
}

/** Name of the file beside a trained model that says what it was trained on. */
export const TRAINING_DATA = 'training-data.json';

export interface TrainingDataSummary {
  readonly clips: number;
  readonly machineMade: readonly MachineMade[];
}

/** @param targets languages whose texts were trained on */
export function trainingDataOf(clips: readonly Clip[], targets: readonly string[]): TrainingDataSummary {
  const counts = new MachineMadeCounts();
  for (const clip of clips) counts.add(clip);
  const used = ['audio', ...targets.map((code) => `text_${code}`)];
  return { clips: clips.length, machineMade: counts.list().filter(({ column }) => used.includes(column)) };
}
