// Teaches Whisper to write a new language, from speech in one language with texts in the other.
//   node train.js samples/manifest.tsv out/en-zh 600
import { train, Whisper } from 'whisper-transfer';

const [data = 'samples/manifest.tsv', output = 'out/en-zh', steps = '600'] = process.argv.slice(2);
const { model, loss } = await train(
  { data, set: 'train', from: 'en', to: 'zh', steps: Number(steps), output },
  {
    onStep: ({ step, loss }) => console.log(`step ${step}: loss ${loss.toFixed(2)}`),
    signal: AbortSignal.timeout(3_600_000),
  },
);
console.log(`loss ${loss.toFixed(2)}, in ${model}`);

// The model knows what it was trained for.
await using whisper = await Whisper.load(model);
console.log(`translates into ${whisper.target}`);
