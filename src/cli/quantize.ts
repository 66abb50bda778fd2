/** `whisper-transfer quantize`: a Whisper model directory with weights of 8 or 4 bits. */
import { type Command, Option } from 'commander';
import { showWork } from './show-work.ts';

export function quantizeCommand(command: Command): Command {
  return command
    .argument('<source>', 'model directory in Hugging Face layout (float32, float16 or bfloat16 safetensors)')
    .argument('<target>', 'directory to write; an older model there is replaced')
    .addOption(
      new Option('--bits <n>', 'bits of a weight: 8, or 4 with a scale for each 32 of them')
        .choices(['8', '4'])
        .default('8'),
    )
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', '\nExample:\n  $ whisper-transfer quantize whisper-base models/whisper-base-int8')
    .action(async (source: string, target: string, options: { bits: string; json?: boolean }) => {
      const { quantize } = await import('../whisper/quantize.ts');
      const work = showWork();
      const summary = await quantize({
        ...work,
        model: source,
        output: target,
        bits: options.bits === '4' ? 4 : 8,
      });
      work.end();
      if (options.json) {
        console.log(JSON.stringify(summary));
        return;
      }
      const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
      const percent = (ratio: number) => `${(ratio * 100).toFixed(2)} %`;
      console.log(
        `${target}: ${megabytes(summary.bytes)} (was ${megabytes(summary.sourceBytes)}), ` +
          `${summary.quantized} of ${summary.tensors} tensors int${options.bits}, ` +
          `relative error mean ${percent(summary.meanRelativeError)}, ` +
          `largest ${percent(summary.maxRelativeError)} (${summary.maxRelativeErrorTensor}), ` +
          `${summary.seconds.toFixed(1)} s`,
      );
    });
}
