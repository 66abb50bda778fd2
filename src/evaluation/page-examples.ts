import { languageProfile } from '../language/profile.ts';
import { escapeHtml } from '../report/escape.ts';
import { formatNumber, languageName, shorten } from '../report/format.ts';
import type { WorstSentence } from './results.ts';

/**
 * The worst sentences by language, with a player each.
 * @param target language of the translations; undefined: transcripts
 */
export function worstSection(
  sentences: readonly WorstSentence[],
  rankedBy: string,
  target: string | undefined,
): string {
  if (sentences.length === 0) return '';
  const languages = [...new Set(sentences.map(({ language }) => language))];
  return `<h2>Where it goes worst</h2>
<p>The sentences with the lowest scores of ${escapeHtml(rankedBy)}. They show how it fails, not how it does on the whole.</p>
${languages
  .map(
    (language) => `<h3>${escapeHtml(languageName(language))}</h3>
<div class="examples">${sentences
      .filter((sentence) => sentence.language === language)
      .map((sentence) => card(sentence, target))
      .join('\n')}</div>`,
  )
  .join('\n')}`;
}

function card(
  { language, audio, reference, sourceText, hypotheses, player }: WorstSentence,
  target: string | undefined,
): string {
  const written = target ?? language;
  const sound =
    'uri' in player
      ? `<audio controls preload="metadata" aria-label="${escapeHtml(audio)}" src="${escapeHtml(player.uri)}"></audio>`
      : `<p class="soft">No player: the recording is ${escapeHtml(player.missing)}.</p>`;
  const line = (name: string, text: string, code = written) =>
    `<dt>${name}</dt><dd lang="${languageProfile(code).tag}"><bdi>${text.trim() ? escapeHtml(shorten(text)) : '<span class="soft">(nothing)</span>'}</bdi></dd>`;
  const answers = hypotheses.map(({ model, prompt, text, score }) => {
    const name = prompt === 'transcribe' ? model : `${model}, ${prompt}`;
    const metric = prompt === 'transcribe' ? 'WER' : 'chrF';
    return line(`${escapeHtml(name)} <span class="tag">${metric} ${formatNumber(score, 1)}</span>`, text);
  });
  return `<article class="card"><small>${escapeHtml(audio)}</small>
${sound}
<dl class="answers">${sourceText && sourceText !== reference ? line('what is said', sourceText, language) : ''}${line('reference', reference)}${answers.join('')}</dl></article>`;
}
