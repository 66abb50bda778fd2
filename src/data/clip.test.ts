import { expect, test } from 'vitest';
import { type Clip, missingReference } from './clip.ts';

const clips: Clip[] = [
  {
    ...{ audio: '/a.wav', language: 'en', set: '', key: '', text: 'x', duration: 1, other: {} },
    translations: { zh: '好' },
  },
];

test.each([
  ['pt', 'm.tsv: found no text in "pt" (column text_pt) of these clips; it has the column text_zh'],
  [
    'Portugese',
    '--to: found "Portugese"; expected a language, such as fr, pt-BR, French or <|fr|>; did you mean pt (Portuguese)?',
  ],
  [
    'jp',
    '--to: found "jp"; expected a language, such as fr, pt-BR, French or <|fr|>; did you mean ja (Japanese)?',
  ],
  ['xx', '--to: found "xx"; expected a language, such as fr, pt-BR, French or <|fr|>'],
])('a target without a text, %s: what the manifest has, or which language may have been meant', (target, line) => {
  expect(missingReference('m.tsv', clips, target)).toBe(line);
});
