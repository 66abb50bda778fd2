import { base64Fingerprint } from '../files/fingerprint.ts';
import { escapeHtml } from './escape.ts';

/**
 * A page which works offline from a file: no request, recordings and charts inside. Its policy forbids anything else
 * (and any script but the one given), so a hostile transcript that slipped through could not act.
 * @param style the style sheet
 * @param content HTML
 * @param script must not depend on what the page shows
 */
export function htmlPage(title: string, style: string, content: string, script = ''): string {
  const hash = (text: string): string => `'sha256-${base64Fingerprint(text)}'`;
  const scripts = script && ` script-src ${hash(script)};`;
  const policy = `default-src 'none'; style-src ${hash(style)};${scripts} media-src data:; base-uri 'none'; form-action 'none'`;
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
</main>${script && `\n<script>${script}</script>`}
</body>
</html>
`;
}
