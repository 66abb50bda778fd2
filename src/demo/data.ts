/** Selection of the demo's clips for retrieval, training and tests. */

import { type Clip, missingReference, referenceIn } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { sameLanguage } from '../language/profile.ts';
import { languageName } from '../report/format.ts';

export interface DemoData {
  /** Real people reading the same sentences, by language: en, fr, ca. */
  readonly parallel: ReadonlyMap<string, readonly Clip[]>;
  /** English speech with texts in the target language: nothing else is trained on. */
  readonly training: readonly Clip[];
  /** Test sets that have references. */
  readonly tests: readonly TestSet[];
}

export interface TestSet {
  readonly group: 'held-out English' | 'new language, known sentence' | 'new language, new sentence';
  readonly language: string;
  readonly name: string;
  readonly voice: 'real' | 'synthetic';
  readonly clips: readonly Clip[];
}

/** Sentences of the retrieval, in each language. */
const PARALLEL_SENTENCES = 50;

/**
 * Half A of the real sentences (even positions in the order of their keys) is trained on, in English only: other
 * languages are then tested on sentences that were trained on in English. Half B is never trained on.
 */
export async function demoData(
  manifest: string,
  target: string,
  { trainingClips, testClips }: { readonly trainingClips: number; readonly testClips: number },
): Promise<DemoData> {
  const clips = await readManifest(manifest);
  const usable = (clip: Clip): boolean =>
    !sameLanguage(clip.language, target) && referenceIn(clip, target) !== '';
  const of = (language: string, set: string): Clip[] =>
    clips.filter((clip) => clip.language === language && clip.set === set);
  const english = of('en', 'intro').sort((a, b) => (a.key < b.key ? -1 : 1));
  const halfA = new Set(english.filter((_, i) => i % 2 === 0).map(({ key }) => key));
  const everywhere = english.filter(({ key }) =>
    ['fr', 'ca'].every((l) => of(l, 'intro').some((clip) => clip.key === key)),
  );
  const shown = new Set(spread(everywhere, PARALLEL_SENTENCES).map(({ key }) => key));
  const training = [
    ...of('en', 'train').filter(usable).slice(0, trainingClips),
    ...english.filter((clip) => halfA.has(clip.key) && usable(clip)),
  ];
  const test = (
    group: TestSet['group'],
    language: string,
    voice: TestSet['voice'],
    from: Clip[],
  ): TestSet => ({
    group,
    language,
    name: languageName(language),
    voice,
    clips: spread(from.filter(usable), testClips),
  });
  const known = (language: string): Clip[] => of(language, 'intro').filter(({ key }) => halfA.has(key));
  const unknown = (language: string): Clip[] => of(language, 'intro').filter(({ key }) => !halfA.has(key));
  const data: DemoData = {
    parallel: new Map(
      ['en', 'fr', 'ca'].map((language) => [
        language,
        of(language, 'intro').filter(({ key }) => shown.has(key)),
      ]),
    ),
    training,
    tests: [
      test('held-out English', 'en', 'synthetic', of('en', 'test')),
      test('new language, known sentence', 'fr', 'real', known('fr')),
      test('new language, known sentence', 'ca', 'real', known('ca')),
      test('new language, new sentence', 'fr', 'real', unknown('fr')),
      test('new language, new sentence', 'ca', 'real', unknown('ca')),
      test('new language, new sentence', 'de', 'synthetic', of('de', 'new')),
      test('new language, new sentence', 'fr', 'synthetic', of('fr', 'new')),
    ].filter((set) => set.clips.length > 0),
  };
  if (training.length === 0 || data.tests.length === 0) {
    throw new UserError(missingReference(manifest, clips, target));
  }
  return data;
}

/** `count` of the items, evenly over all of them. */
function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}
