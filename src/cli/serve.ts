/** `whisper-transfer serve`: a server that speech clients already speak to. */
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { UserError } from '../errors.ts';
import { byteSize } from '../features/byte-size.ts';
import { cannotOpen } from '../files/read.ts';
import type { RunningServer } from '../serve/server.ts';
import type { Compute } from '../whisper/compute.ts';
import {
  computeOption,
  deviceOption,
  ofModels,
  positiveInteger,
  positiveNumber,
  threadsOption,
} from './options.ts';

interface Flags {
  model: ReadonlyMap<string, string>;
  host: string;
  port: number;
  apiKey?: string;
  /** Of `--no-auth`: commander's negation. */
  auth: boolean;
  tlsCert?: string;
  tlsKey?: string;
  maxUpload: number;
  maxDuration: number;
  maxRequests: number;
  maxStreams: number;
  timeout: number;
  memory?: number;
  unloadAfter?: number;
  compute: Compute;
  cors?: string[];
}

/** The name of the embedded model in requests. */
const EMBEDDED_ID = 'whisper-base';
/** After a signal: what is being answered may take so long. */
const FINISH_SECONDS = 30;

export function serveCommand(command: Command): Command {
  return command
    .addOption(
      ofModels(
        new Option(
          '--model <name=dir>',
          'model directory or model of the hub, and its name in requests; several may be given',
        )
          .argParser(modelsOf)
          .default(new Map([[EMBEDDED_ID, embeddedModel]]), `the embedded Whisper base, as ${EMBEDDED_ID}`),
      ),
    )
    .option(
      '--host <address>',
      'address to listen at, such as 0.0.0.0: others reach it, so it wants --api-key',
      '127.0.0.1',
    )
    .addOption(new Option('--port <n>', '0: any that is free').argParser(portOf).default(8000))
    .addOption(
      new Option('--api-key <key>', 'key that requests must carry: Authorization: Bearer KEY').env(
        'WHISPER_TRANSFER_API_KEY',
      ),
    )
    .option('--no-auth', 'with --host: everyone who reaches it may use it')
    .option('--tls-cert <file>', 'certificate (PEM), for https and wss')
    .option('--tls-key <file>', 'its key (PEM)')
    .option(
      '--cors <origins>',
      'web sites whose pages may ask, such as https://app.example; *: any',
      originsOf,
    )
    .addOption(
      new Option('--max-upload <size>', 'largest request, such as 500MB')
        .argParser(sizeOf)
        .default(26_214_400, '25 MiB'),
    )
    .option('--max-duration <seconds>', 'longest recording', positiveNumber, 14_400)
    .option('--max-requests <n>', 'recordings that are read or computed at a time', positiveInteger, 64)
    .option('--max-streams <n>', 'live streams at a time', positiveInteger, 4)
    .option('--timeout <seconds>', 'longest time for one request', positiveNumber, 1800)
    .addOption(
      new Option(
        '--memory <size>',
        'what models in memory may need together, such as 4GB; default: half of the memory',
      ).argParser(sizeOf),
    )
    .option(
      '--unload-after <seconds>',
      'unused models leave memory; default: only where another needs their place',
      positiveNumber,
    )
    .addOption(computeOption())
    .addOption(threadsOption())
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ whisper-transfer serve --model out/en-zh' +
        '\n  $ curl http://127.0.0.1:8000/v1/audio/translations -F file=@talk.mp3 -F response_format=srt' +
        '\n  $ whisper-transfer serve --model base=models/base --model en-zh=out/en-zh --host 0.0.0.0 --api-key "$KEY"',
    )
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { host, port, apiKey, auth, cors } = flags;
  const { maxUpload, maxDuration, maxRequests, timeout } = flags;
  const { compute, memory, unloadAfter, maxStreams } = flags;
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined))
    throw new UserError('--tls-cert: expected --tls-key with it, and the other way round');
  const tls = flags.tlsCert &&
    flags.tlsKey && { cert: await pem(flags.tlsCert, 'certificate'), key: await pem(flags.tlsKey, 'key') };
  const { beginEngine } = await import('../serve/engine-process.ts');
  const { startServer } = await import('../serve/server.ts');
  const engine = await beginEngine({
    models: flags.model,
    ...{ compute, memory, unloadAfter, limit: maxRequests, streamLimit: maxStreams },
    onNote: (note) => process.stderr.write(`${note}\n`),
  });
  let server: RunningServer | undefined;
  try {
    server = await startServer(engine, {
      ...{ host, port, apiKey, cors, noAuth: !auth },
      ...(tls && { tls }),
      limits: { maxUpload, maxDuration, maxRequests, timeout },
    });
    process.stdout.write(`serving ${[...flags.model.keys()].join(', ')} at ${server.url}\n`);
    // It listens while the first model is loaded: what is asked meanwhile waits.
    await Promise.race([signalled(), engine.ready.then(() => new Promise<never>(() => {}))]);
  } finally {
    await server?.close(FINISH_SECONDS);
    await engine.close(FINISH_SECONDS);
  }
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop);
      resolve();
    };
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, stop);
  });
}

/** Lists that hold what was given: commander passes the default before the first. */
const GIVEN = new WeakSet<object>();

function modelsOf(value: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [, name, folder = value] = /^([\w.:/-]+)=(.+)$/.exec(value) ?? [];
  const id = name ?? (resolve(folder) === resolve(embeddedModel) ? EMBEDDED_ID : basename(resolve(folder)));
  // The default is not one of those that are given.
  const models = GIVEN.has(before) ? new Map(before) : new Map<string, string>();
  if (models.has(id))
    throw new InvalidArgumentError(
      `Found two models of the name ${id}; expected NAME=FOLDER with other names.`,
    );
  models.set(id, folder);
  GIVEN.add(models);
  return models;
}

function portOf(value: string): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 0 || port > 65_535 || value.trim() === '')
    throw new InvalidArgumentError('Expected a port from 0 to 65535.');
  return port;
}

function sizeOf(value: string): number {
  const bytes = byteSize(value);
  if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 500MB.');
  return bytes;
}

function originsOf(value: string, before: readonly string[] = []): string[] {
  const origins = value.split(',').map((one) => one.trim().replace(/\/$/, ''));
  const wrong = origins.find((one) => one !== '*' && !/^[a-z][\w+.-]*:\/\/[^/\s]+$/i.test(one));
  if (wrong !== undefined)
    throw new InvalidArgumentError(
      `Found ${JSON.stringify(wrong)}; expected an origin such as https://app.example.`,
    );
  return [...before, ...origins];
}

async function pem(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw cannotOpen(file, error, `a ${what} (PEM)`);
  }
}
