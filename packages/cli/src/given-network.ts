import { ConfigError } from '@alex/tensor';
import type { WhichWeights } from '@alex/trainer';
import type { Output } from './output.js';
import { publishedImageSize, publishedNetwork, readLabels, readPublishedWeights } from './published.js';
import type { TrainedNetwork } from './session.js';
import { openTrainedRun } from './trained-run.js';

/** The options that select the network of a command. */
export interface NetworkChoice {
  readonly run?: string;
  readonly weights?: string;
  readonly mean?: string;
  readonly labels?: string;
  readonly checkpoint?: WhichWeights;
}

/**
 * The network of a run, or one with published weights.
 *
 * @throws ConfigError if neither is given, or options contradict each other
 */
export async function givenNetwork(
  { run, weights, mean, labels, checkpoint }: NetworkChoice,
  output: Output,
): Promise<TrainedNetwork> {
  if (weights !== undefined) {
    const published = await readPublishedWeights(weights);
    for (const remark of published.remarks) output.line(`${weights}: ${remark}`);
    const size = { height: publishedImageSize, width: publishedImageSize };
    return publishedNetwork(published, { classes: await readLabels(labels, published.classes), ...size }, mean);
  }
  if (run === undefined) throw new ConfigError('--run is missing: give the directory of a run, or a file of --weights');
  if (mean !== undefined || labels !== undefined) throw new ConfigError('--mean and --labels are for --weights');
  return openTrainedRun(run, checkpoint, output);
}
