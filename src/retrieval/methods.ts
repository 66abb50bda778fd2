/** Retrieval methods: a metric with its adjustments of the frames before and of the similarities after it. */
import { UserError } from '../errors.ts';
import { SIMILARITY_METRICS, type SimilarityMetricName } from './metrics.ts';

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
  readonly metric: SimilarityMetricName;
  readonly adjustments: ReadonlySet<Adjustment>;
}

/** Parses a method. @throws UserError for an unknown metric or adjustment */
export function retrievalMethod(text: string, always: readonly Adjustment[] = []): RetrievalMethod {
  const [metric, ...given] = text.trim().split('+');
  if (!Object.hasOwn(SIMILARITY_METRICS, metric!)) {
    throw new UserError(
      `found the metric "${metric}"; expected one of ${Object.keys(SIMILARITY_METRICS).join(', ')}`,
    );
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
    label: [
      SIMILARITY_METRICS[metric as SimilarityMetricName].label,
      ...chosen.map((name) => ADJUSTMENTS[name]),
    ].join(' + '),
    metric: metric as SimilarityMetricName,
    adjustments: new Set(chosen),
  };
}

/** Parses a comma-separated list of methods. @throws UserError for a method that occurs twice */
export function retrievalMethods(list: string, always: readonly Adjustment[] = []): RetrievalMethod[] {
  const variants = list.split(',').map((text) => retrievalMethod(text, always));
  const twice = variants.find(({ name }, i) => variants.findIndex((other) => other.name === name) !== i);
  if (twice) throw new UserError(`found the metric "${twice.name}" twice; expected each once`);
  return variants;
}
