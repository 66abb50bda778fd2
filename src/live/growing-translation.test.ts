import fc from 'fast-check';
import { expect, test } from 'vitest';
import { baseModel } from '../testing/base-model.ts';
import { separatorOf } from '../whisper/prompts.ts';
import { GrowingText } from './growing-text.ts';
import { GrowingTranslation } from './growing-translation.ts';

const model = await baseModel();
const { tokens } = model;
const ENGLISH = ' The cat sleeps here. Where is the old dog? Oh, no! It runs to Mr. Smith. Nobody saw it';

/** A translator whose text is known: the English in capitals, sentence by sentence. It goes on after what is given. */
function translator(to: string, asked: string[] = []) {
  const separator = separatorOf(tokens, 'english-first', to)!;
  const text = new GrowingText(tokens);
  const translation = new GrowingTranslation(text, model, separator, async ({ prompts, continued }) =>
    prompts.map((prompt) => {
      const at = prompt.indexOf(separator);
      const english = tokens.decode(prompt.slice(0, at));
      const given = tokens.decode(prompt.slice(at + 1));
      const all = english.trim().toUpperCase();
      expect(all.startsWith(given)).toBe(true);
      expect(given !== '').toBe(continued);
      asked.push(english);
      const ids = tokens.encode(all.slice(given.length));
      return { tokens: ids, logProbabilities: ids.map(() => 0), finished: true } as never;
    }),
  );
  return { text, english: translation.english, translation };
}

test.each([
  ['de', 'THE CAT SLEEPS HERE. WHERE IS THE OLD DOG? OH, NO! IT RUNS TO MR. SMITH. NOBODY SAW IT'],
  ['zh', 'THE CAT SLEEPS HERE.WHERE IS THE OLD DOG?OH, NO! IT RUNS TO MR. SMITH.NOBODY SAW IT'],
])('%s: each sentence for itself, whatever grows how fast; what is committed stays', async (to, expected) => {
  const all = tokens.encode(ENGLISH);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { minLength: 1, maxLength: 12 }),
      async (steps) => {
        const { text, english, translation } = translator(to);
        let [heard, committed, told] = [0, 0, ''];
        for (const [more, fixed] of steps) {
          heard = Math.min(all.length, heard + more);
          const stable = Math.min(fixed, heard - committed);
          english.update(all.slice(committed, heard), stable);
          committed += stable;
          await translation.update('fr', false);
          expect(text.text.startsWith(told)).toBe(true);
          told = text.text;
        }
        english.update(all.slice(committed), Number.POSITIVE_INFINITY);
        await translation.update('fr', true);
        expect(text.text.startsWith(told)).toBe(true);
        expect(text.text).toBe(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('a sentence is translated for good when the next has begun and its English is committed', async () => {
  const asked: string[] = [];
  const { text, english, translation } = translator('de', asked);
  const first = tokens.encode(' The cat sleeps here.');
  const more = tokens.encode(' Where is');
  english.update([...first, ...more], first.length);
  await translation.update('fr', false);
  expect(text.text).toBe('THE CAT SLEEPS HERE.');
  asked.length = 0;
  english.update([...more, ...tokens.encode(' the old dog?')], 0);
  await translation.update('fr', false);
  // The first one is not decoded again; what both hypotheses say of the second is committed.
  expect(asked.join()).not.toContain('cat');
  expect(text.text).toBe('THE CAT SLEEPS HERE. WHERE IS');
});
