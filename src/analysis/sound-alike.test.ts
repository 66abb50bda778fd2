import { expect, test } from 'vitest';
import { alikeWords, areAlike, contentWords } from './sound-alike.ts';

test('cognates and names are alike, by their letters or by their consonants', () => {
  for (const [a, b] of [
    ['numbers', 'nombres'],
    ['color', 'couleur'],
    ['password', 'password'],
    ['moskva', 'moscow'],
    ['braille', 'braille'],
  ] as const) {
    expect(areAlike(a, b), `${a} ${b}`).toBe(true);
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
    expect(areAlike(a, b), `${a} ${b}`).toBe(false);
  }
});

test('sentences are compared in Latin letters, by words that carry meaning', () => {
  expect(contentWords('La Façade à Москва, la façade!')).toEqual(['facade', 'moskva']);
  expect(alikeWords('Click on the color of the facade', 'Clique sur la couleur de la façade')).toEqual([
    ['click', 'clique'],
    ['color', 'couleur'],
    ['facade', 'facade'],
  ]);
  expect(alikeWords('你好', '')).toEqual([]);
});
