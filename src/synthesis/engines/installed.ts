/** Finds packages that the user installs: beside this one or in the folder of the user's project. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Path of a package's file; undefined where it is not installed. @param file such as `package/voices.wasm` */
export function installedFile(file: string): string | undefined {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return createRequire(from).resolve(file);
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/** The version of an installed package; undefined where it is not installed. */
export function installedVersion(name: string): string | undefined {
  const file = installedFile(`${name}/package.json`);
  return file === undefined
    ? undefined
    : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
