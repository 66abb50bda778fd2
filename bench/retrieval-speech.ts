/**
 * What a shortlist keeps of real recordings: sentences and words in Catalan, French, German and Spanish search among English
 * sentences, words and sentences of a synthetic voice (`--clips` of these at most). Of each source all targets are compared frame by
 * frame: is the best of them on the shortlist, also on one as short among these as 64 are among tens of thousands? Encoder outputs
 * are kept in out/bench for the next run.
 */
import { join } from 'node:path';
import { Runtime } from '../src/backend/runtime.ts';
import type { Clip } from '../src/data/clip.ts';
import { readManifest } from '../src/data/manifest.ts';
import { encodedClips } from '../src/features/encoded-clips.ts';
import { startProgress } from '../src/report/progress.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import { ShortlistedSearch, searchThreads } from '../src/retrieval/shortlist.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { withModel } from '../src/whisper/with-model.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { clipsOf, sentences } from './speech.ts';
import { percent, seconds } from './statistics.ts';

const LANGUAGES = ['ca', 'fr', 'de', 'es'] as const;
/** Words of each language, as sources and as targets. */
const WORDS = 60;
const SHORTLISTS = [64, 16, 8, 4] as const;
const MIN_LISTED = 0.99;
const TIE = 2e-6;

export async function retrievalSpeech({
  model: directory,
  recordings,
  clips: most,
}: BenchOptions): Promise<BenchResult> {
  const words = (await readManifest(join(recordings, 'manifest.tsv'))).filter(({ set }) => set === 'words');
  const some = (language: string): Clip[] =>
    words.filter((clip) => clip.language === language).slice(0, WORDS);
  const spoken = (await clipsOf('train', 'en')).slice(0, most);
  const targetClips = [...(await sentences('en')), ...some('en'), ...spoken];
  const groups: { what: string; clips: Clip[] }[] = [];
  for (const language of LANGUAGES) {
    const own = [
      { what: `${language}, sentences`, clips: await sentences(language) },
      { what: `${language}, words`, clips: some(language) },
    ];
    groups.push(...own.filter(({ clips }) => clips.length > 0));
  }
  const { targets, sources } = await withModel(WhisperModel.load(directory), async (model) => {
    const encoded = async (clips: readonly Clip[], stage: string) => {
      const progress = startProgress(stage, clips.length);
      const found = await encodedClips(model, clips, {
        ...({ window: 'fit', cache: inRepository('out/bench/retrieval-speech') } as const),
        onProgress: ({ done }) => progress.update(done),
      });
      progress.done();
      return found.map(({ encoded }) => encoded);
    };
    const targets = await encoded(targetClips, 'encoding targets');
    const sources = [];
    for (const { what, clips } of groups)
      sources.push({ what, clips: await encoded(clips, `encoding ${what}`) });
    return { targets, sources };
  });
  const runtime = new Runtime();
  const searching = new Runtime({ threads: searchThreads() });
  try {
    const all = sources.flatMap(({ clips }) => clips);
    const progress = startProgress('all frame by frame', all.length * targets.length);
    const started = performance.now();
    const exact = await seqSimMatrix(runtime, all, targets, (pairs) => progress.update(pairs));
    const exactTook = (performance.now() - started) / 1000;
    progress.done();
    const row = (matrix: Float32Array, i: number) =>
      matrix.subarray(i * targets.length, (i + 1) * targets.length);
    const found: { shortlist: number; took: number; hits: boolean[] }[] = [];
    for (const shortlist of SHORTLISTS) {
      const begun = performance.now();
      const search = await ShortlistedSearch.among(searching, targets, shortlist);
      const scores = await search.scores(all);
      await search.unload();
      const took = (performance.now() - begun) / 1000;
      const hits = all.map((_, i) => {
        const own = row(exact, i);
        const best = own.reduce((a, b) => Math.max(a, b));
        return row(scores, i).some((score, j) => score >= -1 && own[j]! >= best - TIE);
      });
      found.push({ shortlist, took, hits });
    }
    const share = (hits: readonly boolean[]) => hits.filter(Boolean).length / hits.length;
    const ofGroup = (hits: readonly boolean[], group: number) => {
      const first = sources.slice(0, group).reduce((sum, { clips }) => sum + clips.length, 0);
      return hits.slice(first, first + sources[group]!.clips.length);
    };
    const [longest] = found;
    return {
      title: `Best of ${targets.length} English clips on the shortlist of ${all.length} clips in other languages`,
      rows: [
        ...sources.map(({ what, clips }, group) => ({
          measure: `${what} (${clips.length}), shortlists of ${SHORTLISTS.join(', ')}`,
          ours: found.map(({ hits }) => percent(share(ofGroup(hits, group)))).join(', '),
        })),
        { measure: 'all', ours: found.map(({ hits }) => percent(share(hits))).join(', ') },
        { measure: 'time of the search', ours: found.map(({ took }) => seconds(took)).join(', ') },
        { measure: 'all frame by frame', ours: seconds(exactTook) },
      ],
      goals: [
        {
          goal: `of ${percent(MIN_LISTED)} the best of all is on the shortlist of ${SHORTLISTS[0]}`,
          found: percent(share(longest!.hits)),
          reached: share(longest!.hits) >= MIN_LISTED,
        },
      ],
      notes: [],
      raw: {
        exactTook,
        found: found.map(({ shortlist, took, hits }) => ({
          shortlist,
          took,
          lost: hits.flatMap((hit, i) => (hit ? [] : [i])),
        })),
      },
    };
  } finally {
    await Promise.all([runtime.close(), searching.close()]);
  }
}
