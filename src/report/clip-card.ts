/** Parts of a card that shows a clip: its player, and its texts. */
import { languageProfile } from '../language/profile.ts';
import { escapeHtml } from './escape.ts';
import { shorten } from './format.ts';

/** A recording as a `data:` URI, or why it is not in the page. */
export type Player = { readonly uri: string } | { readonly missing: string };

export const playerHtml = (audio: string, player: Player): string =>
  'uri' in player
    ? `<audio controls preload="metadata" aria-label="${escapeHtml(audio)}" src="${escapeHtml(player.uri)}"></audio>`
    : `<p class="soft">No player: the recording is ${escapeHtml(player.missing)}.</p>`;

/**
 * A text with its name, in a list of definitions.
 * @param name HTML
 */
export const textHtml = (name: string, text: string, language: string): string =>
  `<dt>${name}</dt><dd lang="${languageProfile(language).tag}"><bdi>${text.trim() ? escapeHtml(shorten(text)) : '<span class="soft">(nothing)</span>'}</bdi></dd>`;
