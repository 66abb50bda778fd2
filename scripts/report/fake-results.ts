/** Invented results of the demo for looking at and testing its report. None of these numbers was measured. */
import type { DemoResults, DemoScores, TransferResult } from '../../src/demo/results.ts';

export function fakeResults(): DemoResults {
  const random = randomNumbers(7);
  const scores = (bleu: number, chrf: number, offTarget: number): DemoScores => ({ bleu, chrf, offTarget });
  const transfer = (
    group: TransferResult['group'],
    language: string,
    name: string,
    voice: 'real' | 'synthetic',
    n: number,
    before: DemoScores,
    after: DemoScores,
  ): TransferResult => ({
    group,
    language,
    name,
    voice,
    n,
    before,
    after,
    chrfGain: { low: after.chrf - before.chrf - 2.6, high: after.chrf - before.chrf + 2.8 },
  });
  const known = 'new language, known sentence';
  const fresh = 'new language, new sentence';
  const pairs: [string, string, number, number][] = [
    ['en', 'fr', 90, 0.71],
    ['fr', 'en', 90, 0.68],
    ['en', 'ca', 92, 0.62],
    ['ca', 'en', 92, 0.58],
    ['fr', 'ca', 88, 0.77],
    ['ca', 'fr', 88, 0.79],
  ];
  return {
    version: '0.1.0',
    machine: {
      cpu: 'AMD EPYC 9B14',
      cores: 2,
      memoryGb: 15.6,
      node: 'v20.20.2',
      onnxruntime: '1.30.0',
    },
    model: 'openai/whisper-base',
    settings: {
      steps: 300,
      batch: 16,
      learningRate: 0.00003,
      warmupSteps: 30,
      seed: 1,
      trainClips: 1480,
      target: 'zh',
      prompt: '<|zh|><|transcribe|>',
    },
    seconds: {
      'load model': 3.2,
      'encode training speech': 148,
      'encode test speech': 61,
      retrieval: 12.4,
      'translate before': 74,
      'fine-tune decoder': 312,
      'translate after': 52,
      'write report': 0.6,
    },
    peakMemoryMb: 2130,
    retrieval: pairs.map(([from, to, n, r1]) => ({
      from,
      to,
      n,
      r1,
      r5: Math.min(1, r1 + 0.17),
      chance: 1 / n,
      meanPoolR1: r1 * 0.45,
    })),
    similarity: [pairs[1]!, pairs[3]!, pairs[4]!].map(([from, to, , r1]) => ({
      from,
      to,
      keys: Array.from({ length: 40 }, (_, index) => `sentence_${index + 1}`),
      matrix: Array.from({ length: 40 }, (_, i) =>
        Array.from(
          { length: 40 },
          (_, j) =>
            0.58 +
            0.06 * random() +
            0.03 * Math.sin(i * 1.7) * Math.cos(j) +
            (i === j && random() < r1 ? 0.13 : 0),
        ),
      ),
    })),
    transfer: [
      transfer(
        'held-out English',
        'en',
        'English',
        'real',
        46,
        scores(0.8, 2.1, 0.93),
        scores(12.4, 13.9, 0.02),
      ),
      transfer(
        'held-out English',
        'en',
        'English',
        'synthetic',
        200,
        scores(1.1, 2.6, 0.88),
        scores(17.2, 16.8, 0),
      ),
      transfer(known, 'ca', 'Catalan', 'real', 45, scores(0.2, 0.9, 0.96), scores(14.9, 15.5, 0.04)),
      transfer(known, 'fr', 'French', 'real', 47, scores(0.4, 1.3, 0.94), scores(11.3, 12.2, 0.02)),
      transfer(fresh, 'ca', 'Catalan', 'real', 45, scores(0.3, 1, 0.96), scores(4.1, 6.7, 0.07)),
      transfer(fresh, 'fr', 'French', 'real', 46, scores(0.5, 1.6, 0.91), scores(3.2, 3.8, 0.04)),
    ],
    examples: [
      {
        group: 'held-out English',
        language: 'en',
        voice: 'real',
        audio: tone(440),
        english: 'Catch the ball with both hands before it falls to the ground.',
        source: 'Catch the ball with both hands before it falls to the ground.',
        reference: '在球落地之前用双手接住它。',
        before: 'Catch the ball with both hands before it falls to the ground.',
        after: '在球掉到地上之前,用两只手抓住它。',
      },
      {
        group: known,
        language: 'fr',
        voice: 'real',
        audio: tone(330),
        english: 'Click on the letter that you hear.',
        source: 'Clique sur la lettre que tu entends.',
        reference: '点击你听到的字母。',
        before: 'Clique sur la lettre que tu entends.',
        after: '点击你听到的字母。',
      },
      {
        group: fresh,
        language: 'ca',
        voice: 'real',
        audio: tone(550),
        english: 'Drag the coloured blocks to build the same tower as the model.',
        source: 'Arrossega els blocs de colors per construir la mateixa torre que el model.',
        reference: '拖动彩色积木,搭建与模型相同的塔。',
        before: `Arrossega els blocs${' de colors de colors'.repeat(40)}`,
        after: '拖着颜色的石头来建造一个同样的塔。',
      },
      {
        group: fresh,
        language: 'fr',
        voice: 'real',
        audio: '',
        english: 'Look at the picture and find its name.',
        source: 'Regarde l’image et trouve son nom.',
        reference: '看图并找出它的名称。',
        before: '',
        after: '看这张照片,找出他的名字。',
      },
    ],
    loss: Array.from({ length: 300 }, (_, step) => ({
      step: step + 1,
      loss: 2.1 + 2.6 * Math.exp(-step / 70) + 0.5 * (random() - 0.5),
      learningRate: 0.00003 * Math.min((step + 1) / 30, (300 - step) / 270),
      tokensPerSecond: 330 + 40 * random(),
    })),
    signatures: {
      bleu: 'nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0',
      chrf: 'nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0',
    },
  };
}

/** Half a second of a sine at `hertz`, 8 bit 8 kHz, as a WAV data URI. */
function tone(hertz: number): string {
  const rate = 8000;
  const samples = Buffer.from(
    Array.from(
      { length: rate / 2 },
      (_, index) => 128 + Math.round(60 * Math.sin((2 * Math.PI * hertz * index) / rate)),
    ),
  );
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length, 40);
  return `data:audio/wav;base64,${Buffer.concat([header, samples]).toString('base64')}`;
}

/** Repeatable numbers from 0 to 1 (Lehmer). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
