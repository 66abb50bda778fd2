/** `whisper-transfer doctor`: facts about the installation for bug reports. */
import type { Command } from 'commander';
import { abortable } from '../abort.ts';
import { type Diagnosis, diagnose, type FolderSize } from '../decoding/diagnose.ts';
import { UserError } from '../errors.ts';
import { packageVersion } from '../report/package-version.ts';
import { modelOption, threadsOption } from './options.ts';
import { showWork } from './show-work.ts';

export function doctorCommand(command: Command): Command {
  return command
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--cache <dir>', 'folder where encoder outputs are kept between runs', 'out/cache')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  $ whisper-transfer doctor --model out/en-zh')
    .action(async ({ json, ...options }: { model: string; cache: string; json?: boolean }) => {
      const { signal } = showWork();
      const found = await abortable(signal, () => diagnose({ version: packageVersion, ...options }));
      console.log(json ? JSON.stringify(found) : described(found));
      const faults = [found.onnxruntime, found.model].flatMap((part) =>
        'error' in part ? [part.error] : [],
      );
      if (faults.length > 0) throw new UserError(`transcribing does not work here: ${faults[0]}`);
    });
}

function described({ onnxruntime, model, cache, ...found }: Diagnosis): string {
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const size = ({ files, bytes }: FolderSize): string => `${(bytes / 1e6).toFixed(0)} MB in ${files} files`;
  const { cores, usableCores } = found;
  const lines: Record<string, string> = {
    'whisper-transfer': found.version,
    node: `${found.node} on ${found.system}`,
    onnxruntime:
      'error' in onnxruntime
        ? onnxruntime.error
        : `${onnxruntime.version}: ${onnxruntime.providers.map(({ name, bundled }) => (bundled ? name : `${name} (not bundled)`)).join(', ')}`,
    devices: found.devices
      .map((one) =>
        'error' in one ? one.error : `${one.device}${one.card ? '' : ': computed on the CPU, by software'}`,
      )
      .concat(`device auto: ${found.automaticDevice}`)
      .join(`\n${' '.repeat(18)}`),
    cpu: `${found.cpu}, ${cores} cores${usableCores === cores ? '' : ` (${usableCores} usable)`}`,
    threads: String(found.threads),
    instructions: found.instructions?.join(', ') ?? 'not known on this system',
    memory: `${gb(found.memory)}, ${gb(found.freeMemory)} free`,
    model:
      `${model.directory}: ${size(model)}; ` +
      ('error' in model
        ? model.error
        : `width ${model.width}, ${model.encoderLayers} + ${model.decoderLayers} layers; loaded in ` +
          `${model.loadSeconds.toFixed(1)} s, a second of sound in ${model.firstSeconds.toFixed(1)} s, then ${model.seconds.toFixed(2)} s`),
    cache: `${cache.directory}: ${size(cache)}`,
    disk: `${gb(found.freeDisk)} free`,
  };
  return Object.entries(lines)
    .map(([name, text]) => `${`${name}:`.padEnd(18)}${text}`)
    .join('\n');
}
