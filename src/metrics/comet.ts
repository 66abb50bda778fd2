/** Scores of COMET (Rei et al., 2020), computed by its own tool: its models are far larger than Whisper. */
import { UserError } from '../errors.ts';
import type { CorpusMetric } from './corpus.ts';

/** A line of `comet-score`'s output: file, number of the sentence, score. */
const PRINTED = /^(.*)\tSegment (\d+)\tscore: (\S+)$/;

/**
 * COMET's score of each sentence of one output, from
 *
 * - the file that `comet-score --to_json` writes: `{ "output.txt": [{ "src", "mt", "ref", "COMET": 0.81 }, …] }`,
 * - the output of `comet-score`, `output.txt<tab>Segment 0<tab>score: 0.8100`,
 * - or a number a line.
 *
 * The first two may hold several outputs; then the one of `hypothesisFile` is taken.
 *
 * @param text contents of the file
 * @param file its name, for messages
 * @throws UserError when it is none of these, or has not one score per sentence
 */
export function cometScores(text: string, file: string, hypothesisFile: string, sentences: number): number[] {
  const scores = text.trimStart().startsWith('{')
    ? fromJson(text, file, hypothesisFile)
    : fromLines(text, file, hypothesisFile);
  if (scores.length !== sentences) {
    throw new UserError(
      `${file} has ${scores.length} COMET scores, but ${hypothesisFile} has ${sentences} lines: expected one each.`,
    );
  }
  return scores;
}

function fromJson(text: string, file: string, hypothesisFile: string): number[] {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new UserError(`${file} begins as JSON but is not; expected what comet-score --to_json writes.`);
  }
  const outputs = new Map(Object.entries(parsed));
  const rows = outputs.get(ownOutput([...outputs.keys()], file, hypothesisFile));
  if (!Array.isArray(rows)) throw new UserError(`${file} is not what comet-score --to_json writes.`);
  return rows.map((row: { COMET?: unknown } | null, i) => {
    if (typeof row?.COMET === 'number') return row.COMET;
    throw new UserError(
      `${file}, sentence ${i + 1}: expected a number "COMET", as comet-score --to_json writes.`,
    );
  });
}

function fromLines(text: string, file: string, hypothesisFile: string): number[] {
  const lines = text.split('\n').map((line) => line.trimEnd());
  if (lines.at(-1) === '') lines.pop();
  const printed = lines.map((line) => PRINTED.exec(line)).filter((match) => match !== null);
  if (printed.length > 0) {
    // The lines of several outputs take turns, and the last lines hold their means.
    const own = ownOutput([...new Set(printed.map(([, output]) => output!))], file, hypothesisFile);
    return printed
      .filter(([, output]) => output === own)
      .map((match) => {
        const score = Number(match[3]);
        if (Number.isFinite(score)) return score;
        throw new UserError(`${file}: found "${match[3]}", expected a COMET score.`);
      });
  }
  return lines.map((line, i) => {
    if (line.trim() !== '' && Number.isFinite(Number(line))) return Number(line);
    throw new UserError(
      `${file}, line ${i + 1}: found "${line.slice(0, 40)}", expected a COMET score; give a number a line or what comet-score writes.`,
    );
  });
}

const fileName = (path: string): string => path.replace(/^.*[\\/]/, '');

/** The only output there is, or the one that bears the name of the file that is scored, in whatever folder. */
function ownOutput(outputs: readonly string[], file: string, hypothesisFile: string): string {
  if (outputs.length === 1) return outputs[0]!;
  if (outputs.includes(hypothesisFile)) return hypothesisFile;
  const own = outputs.filter((output) => fileName(output) === fileName(hypothesisFile));
  if (own.length === 1) return own[0]!;
  throw new UserError(
    `${file} has scores of ${outputs.join(', ') || 'no output'}, but none of ${hypothesisFile}.`,
  );
}

/** The mean of given scores as a {@link CorpusMetric}, on COMET's own scale (about 0 to 1). */
export function comet(scores: readonly number[]): CorpusMetric {
  return {
    statistics: () => scores.map((score) => [score, 1]),
    score: ([sum = 0, count = 0]) => ({ score: sum / Math.max(1, count) }),
    signature: () => 'mean of given sentence scores',
  };
}
