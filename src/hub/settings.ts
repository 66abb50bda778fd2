/** Settings of the hub from the environment: the variables that huggingface_hub reads, with its defaults. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { exists, readText } from '../files/read.ts';

export interface HubSettings {
  /** URL without a slash at its end. */
  readonly endpoint: string;
  /** Folder of the cache. */
  readonly cache: string;
  /** Sent to the endpoint only. */
  readonly token: string | undefined;
  readonly offline: boolean;
  /** Longest wait for the next bytes, ms. */
  readonly timeout: number;
  /** First pause before a request is repeated, ms; each further one is twice as long. */
  readonly pause: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const ENDPOINT = 'https://huggingface.co';
const TIMEOUT_SECONDS = 10;
const MAX_TOKEN_BYTES = 10_000;

/** @throws UserError where a variable cannot be what it says */
export async function hubSettings(env: Environment = process.env): Promise<HubSettings> {
  const home = homeFolder(env);
  return {
    endpoint: endpointOf(env),
    cache: cacheFolder(env),
    token: isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : await tokenOf(env, home),
    offline: isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE),
    pause: 1000,
    timeout: 1000 * secondsOf(env.HF_HUB_DOWNLOAD_TIMEOUT),
  };
}

/** The folder of the cache, which Python's libraries share. */
export function cacheFolder(env: Environment = process.env): string {
  const folder = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  return folder ? expanded(folder) : join(homeFolder(env), 'hub');
}

function homeFolder(env: Environment): string {
  if (env.HF_HOME) return expanded(env.HF_HOME);
  return join(env.XDG_CACHE_HOME ? expanded(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'huggingface');
}

const expanded = (path: string): string =>
  path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;

const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

function endpointOf({ HF_ENDPOINT: given }: Environment): string {
  if (!given) return ENDPOINT;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash)
    throw new UserError(`HF_ENDPOINT: found "${given}"; expected the URL of a hub, such as ${ENDPOINT}`);
  return url.href.replace(/\/+$/, '');
}

function secondsOf(given: string | undefined): number {
  const seconds = given ? Number(given) : TIMEOUT_SECONDS;
  if (!(seconds > 0 && seconds < 1e6))
    throw new UserError(`HF_HUB_DOWNLOAD_TIMEOUT: found "${given}"; expected seconds, such as 10`);
  return seconds;
}

async function tokenOf(env: Environment, home: string): Promise<string | undefined> {
  const given = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  if (given) return checkedToken(given, 'HF_TOKEN');
  const file = env.HF_TOKEN_PATH ? expanded(env.HF_TOKEN_PATH) : join(home, 'token');
  if (!(await exists(file))) return undefined;
  return checkedToken(await readText(file, 'a token of the hub', MAX_TOKEN_BYTES), file);
}

/** The token itself never gets into a message. */
function checkedToken(text: string, where: string): string | undefined {
  const token = text.trim();
  if (!/^[\x21-\x7e]*$/.test(token))
    throw new UserError(
      `${where}: found blanks or other characters in the token; expected one, such as hf_…`,
    );
  return token || undefined;
}
