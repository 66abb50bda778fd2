/** Speaker verification by the cosine of embeddings, over all pairs of recordings. */
import { abortable, takeTurn } from '../../abort.ts';
import { lockFolder } from '../../files/lock.ts';
import { writeFiles } from '../../files/write-whole.ts';
import { detPlot } from '../../report/det-plot.ts';
import { stageProgress } from '../../report/progress.ts';
import { svgFile } from '../../report/svg.ts';
import { dot } from '../../vectors.ts';
import { type EmbedOptions, embedRecordings, recordingsBySpeaker, type SpokenBy } from './recordings.ts';
import { areaUnderRoc, equalErrorRate, minimumDetectionCost, operatingPoints } from './verification.ts';

/** Prior of same-speaker pairs in the detection cost: NIST's. */
const PRIOR = 0.01;

export interface Verification {
  readonly speakers: number;
  readonly clips: number;
  readonly pairs: number;
  readonly pairsOfOne: number;
  readonly eer: number;
  readonly minDcf: number;
  readonly auc: number;
  /** Prior of one speaker in `minDcf`. */
  readonly prior: number;
}

type VerifyOptions = SpokenBy & EmbedOptions & { readonly output: string };

/** Writes results.json, scores.tsv and det.svg into the output folder. */
export function verifySpeakers(options: VerifyOptions): Promise<Verification> {
  return abortable(options.signal, () => lockFolder(options.output, () => verify(options), options));
}

async function verify(options: VerifyOptions): Promise<Verification> {
  const clips = await recordingsBySpeaker(options, options);
  const vectors = await embedRecordings(clips, options);
  const scores = new Float64Array((vectors.length * (vectors.length - 1)) / 2);
  const same: boolean[] = [];
  /** Rows of scores.tsv, those of a clip together. */
  const rows: string[] = [];
  const squares = vectors.map((vector) => dot(vector, vector));
  const progress = stageProgress(options, 'comparing', vectors.length);
  for (const [i, a] of vectors.entries()) {
    let text = '';
    for (let j = i + 1; j < vectors.length; j++) {
      const score = dot(a, vectors[j]!) / Math.sqrt(squares[i]! * squares[j]! || 1);
      const one = clips[i]!.speaker === clips[j]!.speaker;
      scores[same.length] = score;
      same.push(one);
      text += `${clips[i]!.clip.audio}\t${clips[j]!.clip.audio}\t${Number(one)}\t${score.toFixed(6)}\n`;
    }
    rows.push(text);
    progress(i + 1);
    await takeTurn(options.signal);
  }
  const points = operatingPoints(scores, same);
  const results = {
    speakers: new Set(clips.map(({ speaker }) => speaker)).size,
    clips: clips.length,
    pairs: same.length,
    pairsOfOne: same.filter(Boolean).length,
    eer: equalErrorRate(points),
    minDcf: minimumDetectionCost(points, PRIOR),
    auc: areaUnderRoc(points),
    prior: PRIOR,
  };
  await takeTurn(options.signal);
  await writeFiles(options.output, {
    'results.json': `${JSON.stringify(results, null, 2)}\n`,
    'scores.tsv': ['a\tb\tsame\tscore\n', ...rows],
    'det.svg': svgFile(detPlot('DET curve', points)),
  });
  return results;
}
