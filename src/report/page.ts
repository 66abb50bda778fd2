import { createHash } from 'node:crypto';
import { escapeHtml } from './escape.ts';

/**
 * A page which works offline from a file: no script, no request, recordings and charts inside. Its policy forbids
 * anything else, so a hostile transcript that slipped through could not act.
 * @param style the style sheet
 * @param content HTML
 */
export function htmlPage(title: string, style: string, content: string): string {
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; media-src data:; base-uri 'none'; form-action 'none'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`;
}
