/** WebVTT (W3C). Own code for the reason of srt.ts. */
import type { Cue, Cues } from './cues.ts';
import { timesOf } from './times.ts';

/**
 * The cues of a file that begins with WEBVTT. Of those that repeat the line before and add words to it, as they roll on a
 * screen (YouTube), each line is read once.
 * @param text with lines that end in `\n`
 */
export function readVtt(text: string): Cues {
  const cues: Cue[] = [];
  const problems: string[] = [];
  let number = 0;
  const isRolling = /<\d[\d:.]*><c>/.test(text);
  let previous: readonly string[] = [];
  for (const [i, block] of text.split(/\n(?:[ \t]*\n)+/).entries()) {
    const lines = block.split('\n');
    if (i === 0 || block.trim() === '' || /^(?:NOTE|STYLE|REGION)(?:\s|$)/.test(block)) continue;
    // An identifier may stand before the times.
    const at = lines.findIndex((line) => line.includes('-->'));
    if (at < 0) {
      problems.push(
        `text without times after cue ${number}: ${JSON.stringify(block.trim().slice(0, 40))}; left out`,
      );
      continue;
    }
    number++;
    const times = timesOf(lines[at]!);
    if (typeof times === 'string') {
      problems.push(`cue ${number}: ${times}; left out`);
      continue;
    }
    const content = lines.slice(at + 1).filter((line) => line.trim() !== '');
    if (!isRolling) {
      cues.push({ number, ...times, text: content.join('\n') });
      continue;
    }
    const plain = content.map((line) => line.replace(/<[^<>]*>/g, '').trim());
    const news = plain.filter((line) => line !== '' && !previous.includes(line));
    previous = plain;
    if (news.length > 0) cues.push({ number, ...times, text: news.join('\n') });
  }
  return { cues, problems };
}
