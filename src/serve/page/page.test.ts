/** The files of the page: all that it loads is there, and nothing is loaded from elsewhere. */
import { expect, test } from 'vitest';
import { pageFiles } from './page.ts';

const files = pageFiles();
const html = files.get('/')!.body;

test('every module, sheet and picture that is named is served', () => {
  const named = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path]) => path!);
  expect(named).toContain('/page/page.css');
  for (const [path, { body }] of files) {
    for (const [, to] of body.matchAll(/(?:from\s*|new URL\(|url\()['"]?(\.?\.?\/?[\w./-]+\.(?:js|svg))/g))
      named.push(new URL(to!, `http://server${path}`).pathname);
  }
  expect(named.filter((path) => !files.has(path))).toEqual([]);
  expect([...files.keys()].filter((path) => path !== '/' && !named.includes(path))).toEqual([]);
});

test('nothing comes from another host, and nothing is inline', () => {
  for (const [path, { body }] of files) {
    const addresses = body.match(/https?:\/\/[^\s"'`)]+|(?:src|href|url\()=?["']?\/\/[^"']+/g) ?? [];
    expect(
      addresses.filter((address) => address !== 'http://www.w3.org/2000/svg'),
      path,
    ).toEqual([]);
  }
  expect(html).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:/i);
});

test('no module of Node is needed, and the page stays small', () => {
  let bytes = 0;
  for (const [path, { body }] of files) {
    expect(body, path).not.toMatch(/from ['"](?!\.)/);
    bytes += body.length;
  }
  expect(bytes).toBeLessThan(120_000);
});

test('a file that has not changed has the same tag', () => {
  expect(pageFiles().get('/')!.etag).toBe(files.get('/')!.etag);
});
