import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { broad, readPronunciations } from './pronunciations.ts';
import { alikeWords, areAlike, contentWords } from './sound-alike.ts';

const scratch = await mkdtemp(join(tmpdir(), 'sounds-'));
afterAll(() => rm(scratch, { recursive: true }));

const word = (latin: string, phonemes: string[] = []) => ({ latin, phonemes });

test('cognates and names are alike, by their letters or by their consonants', () => {
  for (const [a, b] of [
    ['numbers', 'nombres'],
    ['color', 'couleur'],
    ['password', 'password'],
    ['moskva', 'moscow'],
    ['braille', 'braille'],
  ] as const) {
    expect(areAlike(word(a), word(b)), `${a} ${b}`).toBe(true);
  }
});

test('translations that share no root are not', () => {
  for (const [a, b] of [
    ['water', 'aigua'],
    ['window', 'fenetre'],
    ['drag', 'faire'],
    ['click', 'touche'],
    ['picture', 'imatge'],
  ] as const) {
    expect(areAlike(word(a), word(b)), `${a} ${b}`).toBe(false);
  }
});

test('sentences are compared in Latin letters, by words that carry meaning', () => {
  expect(contentWords('La Façade à Москва, la façade!', 'fr').map(({ latin }) => latin)).toEqual([
    'facade',
    'moskva',
  ]);
  expect(
    alikeWords(
      contentWords('Click on the color of the facade', 'en'),
      contentWords('Clique sur la couleur de la façade', 'fr'),
    ),
  ).toEqual([
    ['click', 'clique'],
    ['color', 'couleur'],
    ['facade', 'facade'],
  ]);
  expect(alikeWords(contentWords('你好', 'zh'), contentWords('', 'en'))).toEqual([]);
});

test('words of a language without spaces are told apart, so that names in them are found', () => {
  expect(contentWords('加拿大的咖啡', 'zh').map(({ latin }) => latin)).toEqual(['jianada', 'kafei']);
  expect(
    alikeWords(contentWords('I drink coffee in Canada', 'en'), contentWords('我在加拿大喝咖啡。', 'zh')),
  ).toEqual([['canada', 'jianada']]);
});

test('with dictionaries of both languages the sound is that of their phonemes', async () => {
  const [en, fr] = ['en.tsv', 'fr.tsv'].map((name) => join(scratch, name));
  await writeFile(en!, 'garage\t/ɡəˈɹɑʒ/, /ɡəˈɹɑdʒ/\nknight\tn aɪ t\nwater\t/ˈwɔtɝ/\n');
  await writeFile(fr!, 'garage\t/ɡaʁaʒ/\n\nNuit\t/nɥi/\noiseaux\t/wazo/\n');
  const [english, french] = [await readPronunciations(en!), await readPronunciations(fr!)];
  expect(english.get('garage')).toEqual(['gəraʒ', 'gəradʒ']);
  expect(french.get('nuit')).toEqual(['nɥi']);
  expect(broad('bɔ̃ˈʒuːʁ')).toBe('boʒur');
  const [knight, garage] = contentWords('Knight of the garage', 'en', english);
  const [nuit, garages, oiseaux] = contentWords('Nuit au garage, oiseaux', 'fr', french);
  expect(areAlike(garage!, garages!)).toBe(true);
  expect(areAlike(knight!, nuit!)).toBe(false);
  // Spelt alike, and by Metaphone's consonants: phonemes know better.
  expect(areAlike({ ...oiseaux!, latin: 'wazo' }, word('oiseaux', ['ezo']))).toBe(false);
});

test('a line that is no pronunciation is reported with its number', async () => {
  const file = join(scratch, 'broken.tsv');
  await writeFile(file, 'chat\t/ʃa/\nchien\n');
  await expect(readPronunciations(file)).rejects.toThrow(
    /broken\.tsv:2: found "chien"; expected a word, a tab/,
  );
  await writeFile(file, '\n');
  await expect(readPronunciations(file)).rejects.toThrow(/found no word/);
  await expect(readPronunciations(join(scratch, 'absent'))).rejects.toThrow(/absent: found no such file/);
});
