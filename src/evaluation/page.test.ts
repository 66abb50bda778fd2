import { expect, test } from 'vitest';
import { evaluationReport } from './page.ts';
import type { EvaluationResults, EvaluationRow, WorstSentence } from './results.ts';
import { evaluationTables } from './tables.ts';

const METRICS = ['bleu', 'chrf', 'chrf++', 'ter', 'off-target', 'hallucination'];

function row(model: string, language: string, scale: number, compared: boolean): EvaluationRow {
  const scores = METRICS.map((metric, i) => {
    const score = scale * (i + 1);
    return [
      metric,
      {
        score,
        signature: `signature of ${metric}`,
        interval: { mean: score, low: score - 2, high: score + 3 },
        ...(compared && { comparison: { difference: score - 5, pValue: 0.0004 } }),
      },
    ];
  });
  const average = language === 'average' ? { languages: 2 } : {};
  const common = {
    test: 'translation into zh',
    forgetting: false,
    model,
    prompt: 'target-transcribe',
    language,
  };
  return { ...common, ...average, n: 30, scores: Object.fromEntries(scores) };
}

const HOSTILE = '<img src=x onerror=alert(1)>';

function fakeResults(): EvaluationResults {
  const rows = ['de', 'fr', 'average'].flatMap((language) => [
    row('base', language, 5, false),
    row('tuned', language, 12, true),
  ]);
  const one = { mean: 9, low: 8, high: 12 };
  const recognition = (model: string, score: number, compared: boolean): EvaluationRow => ({
    test: 'recognition',
    forgetting: true,
    model,
    prompt: 'transcribe',
    language: 'en',
    n: 30,
    scores: {
      wer: {
        score,
        signature: 'words',
        interval: one,
        ...(compared && { comparison: { difference: -0.04, pValue: 0.81 } }),
      },
    },
  });
  return {
    version: '0',
    date: '2020-01-01T00:00:00Z',
    manifest: `m.tsv${HOSTILE}`,
    selection: { set: null, language: null },
    models: ['base', 'tuned'].map((name) => ({
      name,
      directory: name,
      fingerprint: 'f',
      encoderFingerprint: 'e',
      trained: null,
    })),
    settings: { beam: 5, window: 'fit' },
    resampling: { test: 'bootstrap', samples: 1000, seed: 1 },
    signatures: { 'translation into zh': { bleu: ['signature of bleu'] } },
    rows: [...rows, recognition('base', 9.14, false), recognition('tuned', 9.1, true)],
    unreadable: [{ audio: 'x.wav', error: 'x.wav: found nothing' }],
    notes: ['source-translate is not defined for "kea"'],
    seconds: 10,
    machine: { cpu: 'c', cores: 2, memoryGb: 8, node: 'v20', onnxruntime: '1' },
  };
}

const worst: WorstSentence[] = [
  {
    language: 'fr',
    audio: 'a.opus',
    reference: HOSTILE,
    sourceText: 'Bonjour.',
    hypotheses: [{ model: 'tuned', prompt: 'target-transcribe', text: HOSTILE, score: 3 }],
    player: { missing: '412 kB, too long to be inside the page' },
  },
];

test('the page holds no request and no script, whatever the texts are; it tells what is missing', () => {
  const page = evaluationReport(fakeResults(), worst);
  expect(page).not.toMatch(/https?:|<script|<link|<img|\sstyle=/i);
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
  for (const text of [
    'Speech translation into Chinese',
    'French <b>30</b> clips',
    'x.wav could not be read',
    'not defined for &quot;kea&quot;',
    'No player: the recording is 412 kB',
    'signature of bleu',
  ]) {
    expect(page).toContain(text);
  }
  expect(page.match(/class="interval"/g)).toHaveLength(5 * 6); // metrics drawn × (two languages, average) × models
});

test('the tables have scores with intervals, differences with p-values, and what was forgotten', () => {
  const [table, comparison, forgetting] = evaluationTables(fakeResults());
  expect(table!.render('markdown').split('\n')[3]).toBe(
    '| tuned | target-transcribe | de | 30 | 12.0 (10.0–15.0) | 24.0 (22.0–27.0) | 36.0 (34.0–39.0) | 48.0 (46.0–51.0) | 60.0 (58.0–63.0) | 72.0 (70.0–75.0) |',
  );
  expect(table!.render('csv').split('\n')[2]).toMatch(
    /^tuned,target-transcribe,de,30,12\.000,10\.000,15\.000,/,
  );
  expect(comparison!.render('markdown')).toContain('| +7.0 (\\<0.001) |');
  expect(comparison!.caption).toContain('Difference from base');
  expect(forgetting!.render('csv')).toBe(
    'test,language,model,n,score,2.5 %,97.5 %,difference,p,halluc.\n' +
      '"recognition, WER",en,base,30,9.140,8.000,12.000,,,\n' +
      '"recognition, WER",en,tuned,30,9.100,8.000,12.000,-0.040,0.8100,\n',
  );
  // A difference that is nothing when rounded has no sign.
  expect(forgetting!.render('markdown')).toContain('| 0.0 | 0.810 | – |');
});
