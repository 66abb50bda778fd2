/** Annotations of ELAN (.eaf, EUDICO Annotation Format 3.0). */
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { UserError } from '../../errors.ts';
import type { Cue, TierCues } from './cues.ts';

interface Annotation {
  readonly id: string;
  /** Time slots, of an annotation with times. */
  readonly slots?: readonly [start: string, end: string];
  /** The annotation that it is about, of one without. */
  readonly about?: string;
  text: string;
}

/** Annotations about annotations about …: more are a circle. */
const MOST_LEVELS = 32;

/**
 * The tiers of a file. An annotation without times of its own (a translation, say) has those of the one that it refers to.
 * @throws UserError where it is no XML, or no annotation of ELAN
 */
export function readElan(file: string, text: string): TierCues[] {
  const slots = new Map<string, number>();
  const tiers: { name: string; annotations: Annotation[] }[] = [];
  const byId = new Map<string, Annotation>();
  let annotation: Annotation | undefined;
  let inValue = false;
  let root = '';
  // It expands no entities but XML's own, and opens nothing.
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    const { line } = parser;
    const words = error.message
      .replace(/^\d+:\d+: /, '')
      .replace(/\s+/g, ' ')
      .replace(/\.$/, '');
    throw new UserError(
      `${file}:${line}: found damaged XML (${words.slice(0, 120)}); expected an annotation of ELAN`,
    );
  });
  parser.on('opentag', ({ name, attributes }: SaxesTagPlain) => {
    const value = (key: string) => attributes[key] ?? '';
    root ||= name;
    if (name === 'TIME_SLOT' && attributes.TIME_VALUE !== undefined) {
      slots.set(value('TIME_SLOT_ID'), Number(value('TIME_VALUE')) / 1000);
    } else if (name === 'TIER') {
      tiers.push({ name: value('TIER_ID'), annotations: [] });
    } else if (name === 'ALIGNABLE_ANNOTATION') {
      annotation = {
        id: value('ANNOTATION_ID'),
        slots: [value('TIME_SLOT_REF1'), value('TIME_SLOT_REF2')],
        text: '',
      };
    } else if (name === 'REF_ANNOTATION') {
      annotation = { id: value('ANNOTATION_ID'), about: value('ANNOTATION_REF'), text: '' };
    } else if (name === 'ANNOTATION_VALUE') inValue = true;
  });
  parser.on('text', (content) => {
    if (inValue && annotation) annotation.text += content;
  });
  parser.on('closetag', ({ name }) => {
    if (name === 'ANNOTATION_VALUE') inValue = false;
    if (!annotation || (name !== 'ALIGNABLE_ANNOTATION' && name !== 'REF_ANNOTATION')) return;
    byId.set(annotation.id, annotation);
    tiers.at(-1)?.annotations.push(annotation);
    annotation = undefined;
  });
  parser.write(text).close();
  if (root !== 'ANNOTATION_DOCUMENT') {
    throw new UserError(
      `${file}: found XML of ${JSON.stringify(root.slice(0, 40))}; expected an annotation of ELAN`,
    );
  }
  const timesOf = (one: Annotation): readonly [number, number] | string => {
    let aligned: Annotation | undefined = one;
    for (let level = 0; aligned && !aligned.slots; level++) {
      if (level > MOST_LEVELS) return 'it refers to itself';
      aligned = byId.get(aligned.about!);
    }
    if (!aligned) return 'it refers to an annotation that is not there';
    const [start, end] = aligned.slots!.map((slot) => slots.get(slot));
    if (start === undefined || end === undefined || Number.isNaN(start) || Number.isNaN(end)) {
      return 'it has no times';
    }
    return [start, end];
  };
  return tiers.map(({ name, annotations }) => {
    const cues: Cue[] = [];
    const problems: string[] = [];
    for (const [i, one] of annotations.entries()) {
      if (one.text.trim() === '') continue;
      const times = timesOf(one);
      const number = i + 1;
      if (typeof times === 'string') problems.push(`annotation ${number} (${one.id}): ${times}; left out`);
      else cues.push({ number, start: times[0], end: times[1], text: one.text });
    }
    return { tier: name, cues, problems };
  });
}
