import { ConfigError } from '@alex/tensor';
import type { WhichWeights } from '@alex/trainer';
import { readNetwork, withLabels } from './network-in-file.js';
import type { Output } from './output.js';
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
 * The network of a run, or of a file of weights.
 *
 * @throws ConfigError if neither is given, or options contradict each other
 */
export async function givenNetwork(
  { run, weights, mean, labels, checkpoint }: NetworkChoice,
  output: Output,
): Promise<TrainedNetwork> {
  if (weights !== undefined) {
    const found = await readNetwork(weights, mean);
    for (const remark of found.remarks) output.line(`${weights}: ${remark}`);
    return withLabels(found, labels);
  }
  if (run === undefined) throw new ConfigError('--run is missing: give the directory of a run, or a file of --weights');
  if (mean !== undefined || labels !== undefined) throw new ConfigError('--mean and --labels are for --weights');
  return openTrainedRun(run, checkpoint, output);
}
