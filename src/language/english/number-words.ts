// Word lists of Whisper's English number normaliser (openai/whisper, MIT, Copyright (c) 2022 OpenAI).

type Suffixed = Map<string, [value: bigint, suffix: string]>;

const ONE_TO_NINETEEN =
  'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen';

export const ZEROS = new Set(['o', 'oh', 'zero']);

export const ONES = new Map(ONE_TO_NINETEEN.split(' ').map((name, i) => [name, BigInt(i + 1)]));

export const ONES_SUFFIXED: Suffixed = new Map([
  ...[...ONES].map(([name, value]) => [name === 'six' ? 'sixes' : `${name}s`, [value, 's']] as const),
  ['zeroth', [0n, 'th']],
  ['first', [1n, 'st']],
  ['second', [2n, 'nd']],
  ['third', [3n, 'rd']],
  ['fifth', [5n, 'th']],
  ['twelfth', [12n, 'th']],
  // "nineth" for "ninth" is the original's spelling: "ninth" stays a word.
  ...[...ONES]
    .filter(([, value]) => value > 3n && value !== 5n && value !== 12n)
    .map(([name, value]) => [name + (name.endsWith('t') ? 'h' : 'th'), [value, 'th']] as const),
] as [string, [bigint, string]][]);

export const TENS = new Map(
  'twenty thirty forty fifty sixty seventy eighty ninety'
    .split(' ')
    .map((name, i) => [name, BigInt(i + 2) * 10n]),
);

export const TENS_SUFFIXED: Suffixed = new Map(
  [...TENS].flatMap(([name, value]): [string, [bigint, string]][] => [
    [name.replace('y', 'ies'), [value, 's']],
    [name.replace('y', 'ieth'), [value, 'th']],
  ]),
);

export const MULTIPLIERS = new Map([
  ['hundred', 100n],
  ...'thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion'
    .split(' ')
    .map((name, i): [string, bigint] => [name, 1000n ** BigInt(i + 1)]),
] as [string, bigint][]);

export const MULTIPLIERS_SUFFIXED: Suffixed = new Map(
  [...MULTIPLIERS].flatMap(([name, value]): [string, [bigint, string]][] => [
    [`${name}s`, [value, 's']],
    [`${name}th`, [value, 'th']],
  ]),
);

export const DECIMALS = new Set([...ONES.keys(), ...TENS.keys(), ...ZEROS]);

export const PRECEDING_PREFIXES = new Map([
  ['minus', '-'],
  ['negative', '-'],
  ['plus', '+'],
  ['positive', '+'],
]);

export const FOLLOWING_PREFIXES = new Map([
  ['pound', '£'],
  ['pounds', '£'],
  ['euro', '€'],
  ['euros', '€'],
  ['dollar', '$'],
  ['dollars', '$'],
  ['cent', '¢'],
  ['cents', '¢'],
]);

export const PREFIXES = new Set([...PRECEDING_PREFIXES.values(), ...FOLLOWING_PREFIXES.values()]);

export const SPECIALS = new Set(['and', 'double', 'triple', 'point']);

/** Every word that can be part of a number. */
export const NUMBER_WORDS = new Set([
  ...ZEROS,
  ...ONES.keys(),
  ...ONES_SUFFIXED.keys(),
  ...TENS.keys(),
  ...TENS_SUFFIXED.keys(),
  ...MULTIPLIERS.keys(),
  ...MULTIPLIERS_SUFFIXED.keys(),
  ...PRECEDING_PREFIXES.keys(),
  ...FOLLOWING_PREFIXES.keys(),
  'per',
  'percent',
  ...SPECIALS,
]);
