/** The page at `/`: its files, as the server sends them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { chevronIcon, pageHtml, pageIcon } from './html.ts';
import { pageCss } from './style.ts';

export interface PageFile {
  /** Media type. */
  readonly type: string;
  readonly body: string;
  /** Of its content, for `If-None-Match`. */
  readonly etag: string;
}

/** Where the build puts modules; the same from the sources and from the build. */
const BUILT = fileURLToPath(new URL('../../../dist/', import.meta.url));
const MAIN = 'serve/page/browser/main.js';
/** It is loaded by its address, not by an import. */
const WORKLET = 'serve/page/browser/capture-worklet.js';
const IMPORT = /^(?:import|export)[^;]*? from ['"]([^'"]+)['"];/gm;

/** The files of the page by their paths on the server: `/`, and `/page/…`. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const add = (path: string, type: string, body: string) =>
    files.set(path, { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` });
  const addModule = (module: string) => {
    const path = `/page/${module}`;
    if (files.has(path)) return;
    const body = readFileSync(join(BUILT, module), 'utf8');
    add(path, 'text/javascript', body);
    for (const [, specifier = ''] of body.matchAll(IMPORT)) addModule(join(dirname(module), specifier));
  };
  add('/', 'text/html', pageHtml(`/page/${MAIN}`, '/page/page.css'));
  add('/page/page.css', 'text/css', pageCss);
  add('/page/icon.svg', 'image/svg+xml', pageIcon);
  add('/page/chevron.svg', 'image/svg+xml', chevronIcon);
  addModule(MAIN);
  addModule(WORKLET);
  return files;
}
