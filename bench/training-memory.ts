/**
 * The memory that `train` estimates against the peak of its process, for several batches, windows, tuned parts,
 * accumulation, recomputation and evaluations. Each run is three steps in a process of its own, on as many clips as a
 * step has, so that its batch is the largest one.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dimensionsFromConfig, whisperTensors } from '../src/checkpoint/checkpoint.ts';
import { writeSafetensors } from '../src/checkpoint/safetensors-write.ts';
import { readManifest } from '../src/data/manifest.ts';
import { float32ToFloat16 } from '../src/half-precision.ts';
import { sfc32, uniform } from '../src/random.ts';
import { type BenchResult, inRepository } from './result.ts';

const MAX_ERROR = 0.15;
const BASE_GB = 2.5;
const SMALL_GB = 6;

interface Run {
  readonly name: string;
  readonly clips: number;
  readonly flags: readonly string[];
  /** Whisper small's dimensions in place of base. */
  readonly small?: true;
  readonly limitGb?: number;
}

const RUNS: readonly Run[] = [
  { name: 'decoder, 16 clips', clips: 16, flags: [], limitGb: BASE_GB },
  { name: 'decoder, 4 clips', clips: 4, flags: [] },
  { name: 'decoder, 48 clips', clips: 48, flags: [] },
  { name: 'decoder, 48 clips, recomputed', clips: 48, flags: ['--optimizer.recompute', 'true'] },
  { name: 'trained embedding, 16 clips', clips: 16, flags: ['--embedding', 'trained'], limitGb: BASE_GB },
  { name: 'full windows, 8 clips', clips: 8, flags: ['--window', 'full'] },
  { name: 'LoRA, 16 clips', clips: 16, flags: ['--lora', '32'] },
  { name: 'cross-attention, 16 clips', clips: 16, flags: ['--tune', 'cross-attention'] },
  { name: 'encoder, 8 clips', clips: 8, flags: ['--tune', 'encoder'] },
  { name: 'all, 16 clips', clips: 16, flags: ['--tune', 'all'] },
  { name: 'all, 16 clips, recomputed', clips: 16, flags: ['--tune', 'all', '--optimizer.recompute', 'true'] },
  { name: 'target vocabulary, 16 clips', clips: 16, flags: ['--target-vocabulary'] },
  { name: '2 × 8 clips accumulated', clips: 8, flags: ['--optimizer.accumulate', '2'] },
  { name: 'with evaluations, 16 clips', clips: 16, flags: ['--dev-set', 'dev', '--dev.every', '2'] },
  { name: 'Whisper small, decoder, 16 clips', clips: 16, flags: [], small: true, limitGb: SMALL_GB },
];

export async function trainingMemory(): Promise<BenchResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'training-memory-'));
  try {
    const small = await smallModel(join(scratch, 'small'));
    const found: (Run & { estimate: number; peak: number })[] = [];
    for (const run of RUNS) {
      const manifest = await someClips(scratch, run.clips);
      const model = run.small ? ['--model', small] : [];
      const sizes = ['--steps', '3', '--batch-size', String(run.clips)];
      const output = join(scratch, 'out');
      const args = [manifest, '--set', 'train', ...model, ...sizes, ...run.flags, '--output', output];
      found.push({ ...run, ...(await train([...args, '--cache', join(scratch, 'cache'), '--json'])) });
      rmSync(output, { recursive: true, force: true });
    }
    const error = ({ estimate, peak }: { estimate: number; peak: number }): number => estimate / peak - 1;
    const largest = Math.max(...found.map((run) => Math.abs(error(run))));
    return {
      title: 'Memory of a training run: the estimate before it starts, and the peak of its process',
      rows: found.map((run) => ({
        measure: run.name,
        ours: `${run.estimate.toFixed(2)} GB estimated, ${run.peak.toFixed(2)} GB, ${(100 * error(run)).toFixed(0)} %`,
      })),
      goals: [
        {
          goal: `the estimate is within ${100 * MAX_ERROR} % of the peak`,
          found: `${(100 * largest).toFixed(0)} % at most, ${found.length} runs`,
          reached: largest < MAX_ERROR,
        },
        ...found.flatMap(({ name, peak, limitGb }) =>
          limitGb === undefined
            ? []
            : [
                {
                  goal: `${name}: less than ${limitGb} GB`,
                  found: `${peak.toFixed(2)} GB`,
                  reached: peak < limitGb,
                },
              ],
        ),
      ],
      notes: ['Whisper small here has its dimensions and random weights.'],
      raw: found,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** GB that `train` estimates, and the peak of its process. */
function train(args: readonly string[]): Promise<{ estimate: number; peak: number }> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [inRepository('dist/cli/main.js'), 'train', ...args],
      (error, stdout, stderr) => {
        const estimate = /^memory: about ([\d.]+) GB/m.exec(stderr);
        if (error || !estimate) return reject(new Error(`train ${args.join(' ')}: ${stderr.trim()}`));
        const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as { peakMemoryMb: number };
        resolve({ estimate: Number(estimate[1]), peak: summary.peakMemoryMb / 1000 });
      },
    );
  });
}

/** A manifest of the first English training clips, and the dev clips. */
async function someClips(folder: string, count: number): Promise<string> {
  const all = (await readManifest(inRepository('samples/manifest.tsv'))).filter(
    ({ language }) => language === 'en',
  );
  const chosen = [
    ...all.filter(({ set }) => set === 'train').slice(0, count),
    ...all.filter(({ set }) => set === 'dev').slice(0, 8),
  ];
  const file = join(folder, `${count}.jsonl`);
  const lines = chosen.map(({ audio, set, translations }) =>
    JSON.stringify({ audio, set, lang: 'en', zh: translations.zh }),
  );
  writeFileSync(file, lines.join('\n'));
  return file;
}

/** A checkpoint of Whisper small's dimensions, float16, with random weights and the embedded model's tokenizer. */
async function smallModel(folder: string): Promise<string> {
  const embedded = inRepository('models/whisper-base-int8');
  mkdirSync(folder);
  for (const file of ['generation_config.json', 'preprocessor_config.json', 'tokenizer.json'])
    copyFileSync(join(embedded, file), join(folder, file));
  const { quantization_config: _, ...base } = JSON.parse(readFileSync(join(embedded, 'config.json'), 'utf8'));
  const layers = { encoder_layers: 12, decoder_layers: 12 };
  const heads = { encoder_attention_heads: 12, decoder_attention_heads: 12 };
  const config = { ...base, d_model: 768, ...layers, ...heads, encoder_ffn_dim: 3072, decoder_ffn_dim: 3072 };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const random = sfc32(1);
  const block = Float32Array.from({ length: 65_536 }, () => 0.04 * (uniform(random) - 0.5));
  const tensors = [...whisperTensors(dimensionsFromConfig(config, 'config.json'))].map(([name, shape]) => ({
    name,
    dtype: 'F16' as const,
    shape,
    bytes: () => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      for (let i = 0; i < values.length; i += block.length)
        values.set(block.subarray(0, Math.min(block.length, values.length - i)), i);
      const half = float32ToFloat16(values);
      return new Uint8Array(half.buffer, half.byteOffset, half.byteLength);
    },
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}
