import { expect, test } from 'vitest';
import { fakeResults } from '../../scripts/report/fake-results.ts';
import { demoReport } from './page.ts';
import type { DemoResults } from './results.ts';

/** Every tag of the page with its attributes; text between tags is left out. */
function tags(page: string): string[] {
  return page.match(/<[a-z!/][^>]*>/gi) ?? [];
}

/** Fails unless each opened element is closed in order. */
function expectBalanced(page: string): void {
  const open: string[] = [];
  for (const tag of tags(page)) {
    const name = /^<\/?([a-z0-9]+)/i.exec(tag)?.[1]?.toLowerCase();
    if (!name || tag.endsWith('/>') || ['meta', 'br'].includes(name)) continue;
    if (tag.startsWith('</')) expect(open.pop(), `closing ${tag}`).toBe(name);
    else open.push(name);
  }
  expect(open).toEqual([]);
}

test('the page is one self-contained, well-formed file', () => {
  const page = demoReport(fakeResults());
  expectBalanced(page);
  expect(page).not.toMatch(/https?:|\/\/[a-z]|url\(|@import|<script|<link|<iframe|\son[a-z]+=|\sstyle=/i);
  const sources = page.match(/\b(src|href|srcset|poster|action)="[^"]{0,30}/g) ?? [];
  expect(sources).toHaveLength(3); // the three recordings
  for (const source of sources) expect(source).toMatch(/^src="data:audio\/wav;base64,/);
  expect(page).toContain(
    `http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-`,
  );
});

test('the three questions are answered apart, with sample sizes and voices', () => {
  const page = demoReport(fakeResults());
  const cards = page.slice(page.indexOf('class="cards"'), page.indexOf('How the answers are found'));
  expect([...cards.matchAll(/class="verdict [a-z]+">([^<]+)/g)].map((match) => match[1])).toEqual([
    'Yes',
    'Yes',
    'Better in 1 of 2 tests',
  ]);
  expect(cards).toContain('synthetic voice</span> <span class="tag">200 clips');
});

test('hostile text everywhere in the results stays text', () => {
  const attack = `"><script>alert(1)</script><img src=x onerror='a()'>&\u0000\u202e`;
  const poison = <T>(value: T): T => {
    if (typeof value === 'string') return attack as T;
    if (Array.isArray(value)) return value.map(poison) as T;
    if (value && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, key === 'group' ? inner : poison(inner)]),
      ) as T;
    }
    return value;
  };
  const results = fakeResults();
  const poisoned = { ...poison(results), seconds: { [attack]: 3 } };
  poisoned.settings = { ...poisoned.settings, [attack]: attack };
  const page = demoReport(poisoned);
  expectBalanced(page);
  expect(page).not.toMatch(/<script|<img/i);
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(page).not.toContain('\u202e');
  expect(page).not.toContain('\u0000');
  expect(page).not.toContain('<audio'); // what is no recording is not played
  for (const tag of tags(page)) expect(tag.replace(/"[^"]*"/g, '""')).not.toMatch(/alert|onerror/);
});

test.each([
  'http://example.org/a.wav',
  'data:text/html;base64,PGI+',
  'data:audio/wav;base64,AA" onplay="x',
  'javascript:1',
])('audio %s is refused', (audio) => {
  const results = fakeResults();
  results.examples = [{ ...results.examples[0]!, audio }];
  expect(demoReport(results)).not.toContain('<audio');
});

test('a recording of many megabytes is passed through', () => {
  const results = fakeResults();
  const audio = `data:audio/wav;base64,${'A'.repeat(12_000_000)}`;
  results.examples = [{ ...results.examples[0]!, audio }];
  expect(demoReport(results).includes(`src="${audio}"`)).toBe(true);
});

test('a run that measured nothing still gives a whole page', () => {
  const empty: DemoResults = {
    ...fakeResults(),
    seconds: {},
    retrieval: [],
    similarity: [],
    transfer: [],
    examples: [],
    loss: [],
  };
  const page = demoReport(empty);
  expectBalanced(page);
  expect(page.match(/Not measured/g)).toHaveLength(3);
  expect(page).not.toMatch(/NaN|undefined|Infinity|null/);
});

test('numbers that could not be measured are shown as a dash, also after a round trip through JSON', () => {
  const nothing = (value: unknown): unknown =>
    typeof value === 'number'
      ? Number.NaN
      : Array.isArray(value)
        ? value.map(nothing)
        : value && typeof value === 'object'
          ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, nothing(inner)]))
          : value;
  const results = { ...(nothing(fakeResults()) as DemoResults), settings: fakeResults().settings };
  for (const variant of [results, JSON.parse(JSON.stringify(results)) as DemoResults]) {
    const page = demoReport(variant);
    expectBalanced(page);
    expect(page).not.toMatch(/NaN|undefined|Infinity|null/);
    expect(page).toContain('–&nbsp;<span class="arrow">→</span>&nbsp;<b>–</b>');
  }
});
