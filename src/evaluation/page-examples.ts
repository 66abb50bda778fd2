import { playerHtml, textHtml } from '../report/clip-card.ts';
import { escapeHtml } from '../report/escape.ts';
import { formatNumber, languageName } from '../report/format.ts';
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
  const answers = hypotheses.map(({ model, prompt, text, score }) => {
    const name = prompt === 'transcribe' ? model : `${model}, ${prompt}`;
    const metric = prompt === 'transcribe' ? 'WER' : 'chrF';
    const label = `${escapeHtml(name)} <span class="tag">${metric} ${formatNumber(score, 1)}</span>`;
    return textHtml(label, text, written);
  });
  return `<article class="card"><small>${escapeHtml(audio)}</small>
${playerHtml(audio, player)}
<dl class="answers">${sourceText && sourceText !== reference ? textHtml('what is said', sourceText, language) : ''}${textHtml('reference', reference, written)}${answers.join('')}</dl></article>`;
}
