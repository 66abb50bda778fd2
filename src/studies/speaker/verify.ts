/** Speaker verification by the cosine of embeddings, over all pairs of recordings. */
import { abortable } from '../../abort.ts';
import { lockFolder } from '../../files/lock.ts';
import { writeFiles } from '../../files/write-whole.ts';
import { detPlot } from '../../report/det-plot.ts';
import { svgFile } from '../../report/svg.ts';
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
  const pairs = vectors.flatMap((a, i) =>
    vectors.slice(i + 1).map((b, k) => {
      const j = i + 1 + k;
      return { i, j, score: cosine(a, b), same: clips[i]!.speaker === clips[j]!.speaker };
    }),
  );
  const same = pairs.map((pair) => pair.same);
  const points = operatingPoints(
    pairs.map(({ score }) => score),
    same,
  );
  const results = {
    speakers: new Set(clips.map(({ speaker }) => speaker)).size,
    clips: clips.length,
    pairs: pairs.length,
    pairsOfOne: same.filter(Boolean).length,
    eer: equalErrorRate(points),
    minDcf: minimumDetectionCost(points, PRIOR),
    auc: areaUnderRoc(points),
    prior: PRIOR,
  };
  const rows = pairs.map(({ i, j, score, same: one }) =>
    [clips[i]!.clip.audio, clips[j]!.clip.audio, Number(one), score.toFixed(6)].join('\t'),
  );
  await writeFiles(options.output, {
    'results.json': `${JSON.stringify(results, null, 2)}\n`,
    'scores.tsv': `a\tb\tsame\tscore\n${rows.join('\n')}\n`,
    'det.svg': svgFile(detPlot('DET curve', points)),
  });
  return results;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b) || 1);
}
