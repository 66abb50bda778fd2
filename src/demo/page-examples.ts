import { languageProfile } from '../language/profile.ts';
import { escapeHtml } from '../report/escape.ts';
import { languageName, shorten } from '../report/format.ts';
import type { TranslationExample } from './results.ts';
import { transferGroups } from './results.ts';

const AUDIO_PREFIX = /^data:audio\/[a-z0-9.+-]+(;[a-z0-9=.+-]+)*;base64,/;

/** Recordings to listen to, each with its reference and the two translations, in the order of the questions. */
export function exampleSection(examples: readonly TranslationExample[], target: string): string {
  const rank = (example: TranslationExample) =>
    (transferGroups as readonly string[]).indexOf(example.group) >>> 0;
  const ordered = [...examples].sort((a, b) => rank(a) - rank(b));
  return `<h2>Listen and compare</h2>
${ordered.length ? `<div class="examples">${ordered.map((example, i) => exampleCard(example, i, target)).join('\n')}</div>` : '<p>No examples were kept.</p>'}`;
}

function exampleCard(example: TranslationExample, index: number, target: string): string {
  const written = ` lang="${languageProfile(target).tag}"`;
  // Screen readers need a plain language code in the lang attribute.
  const language = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(example.language)
    ? ` lang="${example.language}"`
    : '';
  const audio = isAudio(example.audio)
    ? `<audio controls preload="metadata" aria-label="Recording of example ${index + 1}: ${escapeHtml(shorten(example.english))}" src="${example.audio}"></audio>`
    : '<p class="soft">No recording.</p>';
  const line = (name: string, text: string, attributes: string) =>
    `<dt>${name}</dt><dd${attributes}><bdi>${text.trim() ? escapeHtml(shorten(text)) : '<span class="soft">(nothing)</span>'}</bdi></dd>`;
  return `<article class="card"><span class="tag">${escapeHtml(example.group)}</span> <span class="tag">${escapeHtml(languageName(example.language))}</span> <span class="tag">${escapeHtml(example.voice)} voice</span>
${audio}
<dl>${line('English', example.english, ' lang="en"')}${
    // Not every corpus has the words as they were spoken.
    example.source.trim() && example.source !== example.english
      ? line('as spoken', example.source, language)
      : ''
  }${line('reference', example.reference, written)}${line('before', example.before, written)}${line(
    'after',
    example.after,
    `${written} class="new"`,
  )}</dl></article>`;
}

/** Only recordings, and only inside the page: any other URI would be a request, or worse. */
function isAudio(uri: string): boolean {
  const prefix = AUDIO_PREFIX.exec(uri)?.[0];
  return prefix !== undefined && !/[^A-Za-z0-9+/=]/.test(uri.slice(prefix.length));
}
