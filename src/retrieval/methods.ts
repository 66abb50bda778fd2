/** What is compared in a study: a metric with what is done to the frames before and to the similarities after it. */
import { UserError } from '../errors.ts';
import { METRICS, type MetricName } from './metrics.ts';

/** Named as on the command line. */
export const ADJUSTMENTS = {
  voiced: 'silence dropped',
  centre: 'centred',
  weights: 'rare frames first',
  csls: 'CSLS',
} as const;
export type Adjustment = keyof typeof ADJUSTMENTS;

export interface RetrievalMethod {
  /** As on the command line: "seqsim+centre+csls". */
  readonly name: string;
  readonly label: string;
  readonly metric: MetricName;
  readonly adjustments: ReadonlySet<Adjustment>;
}

/** @throws UserError for a metric or an adjustment that there is not */
export function retrievalMethod(text: string, always: readonly Adjustment[] = []): RetrievalMethod {
  const [metric, ...given] = text.trim().split('+');
  if (!Object.hasOwn(METRICS, metric!)) {
    throw new UserError(`found the metric "${metric}"; expected one of ${Object.keys(METRICS).join(', ')}`);
  }
  for (const adjustment of given) {
    if (!Object.hasOwn(ADJUSTMENTS, adjustment)) {
      throw new UserError(
        `found "+${adjustment}" in the metric "${text}"; expected one of ${Object.keys(ADJUSTMENTS).join(', ')}`,
      );
    }
  }
  const wanted = new Set([...given, ...always]);
  const chosen = (Object.keys(ADJUSTMENTS) as Adjustment[]).filter((name) => wanted.has(name));
  return {
    name: [metric, ...chosen].join('+'),
    label: [METRICS[metric as MetricName].label, ...chosen.map((name) => ADJUSTMENTS[name])].join(' + '),
    metric: metric as MetricName,
    adjustments: new Set(chosen),
  };
}

/** @throws UserError for one that is there twice */
export function retrievalMethods(list: string, always: readonly Adjustment[] = []): RetrievalMethod[] {
  const variants = list.split(',').map((text) => retrievalMethod(text, always));
  const twice = variants.find(({ name }, i) => variants.findIndex((other) => other.name === name) !== i);
  if (twice) throw new UserError(`found the metric "${twice.name}" twice; expected each once`);
  return variants;
}
