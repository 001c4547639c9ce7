import { CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import type { Checkpoint } from './checkpoint.js';
import type { TrainedRun } from './shared-run.js';

/** A state to continue from. */
export interface GoodState {
  readonly step: number;
  readonly rateFactor: number;
  /** Whether it is on disk. */
  readonly saved: boolean;
}

/** The states that a run can continue from: its checkpoints or, before the first one, its initial state. */
export class GoodStates {
  readonly #run: TrainedRun;
  readonly #initialParameters: Readonly<Record<string, HostTensor>> | undefined;
  readonly #onProblem: (message: string) => void;
  #beginning: Checkpoint | undefined;

  constructor(
    run: TrainedRun,
    initialParameters: Readonly<Record<string, HostTensor>> | undefined,
    onProblem: (message: string) => void,
  ) {
    this.#run = run;
    this.#initialParameters = initialParameters;
    this.#onProblem = onProblem;
  }

  /** Puts the network into the state that the run starts or continues from. */
  async begin(network: Network): Promise<GoodState> {
    const run = this.#run;
    const initialParameters = this.#initialParameters;
    await run.checkpoints.removeUnfinished();
    const restored = await this.#restoreSaved(network);
    await run.saveConfig();
    if (restored) return restored;
    const { startsFrom } = run.config.recipe;
    if (startsFrom && !initialParameters) {
      throw new ConfigError(
        `${run.path}: has no checkpoint yet, and starts from ${startsFrom.weights}: give its weights as initialParameters`,
      );
    }
    if (initialParameters) network.loadParameters(initialParameters);
    const learned = network.description.layers.flatMap(({ parameters }) => parameters);
    const beginning = {
      step: 0,
      // The state that was just written need not be read.
      parameters: initialParameters
        ? Object.fromEntries(learned.map(({ path }) => [path, initialParameters[path]!]))
        : await network.parameters(),
      optimizerState: await network.optimizerState(),
      layerState: await network.layerState(),
    };
    // Drawn parameters can be drawn again; given ones may no longer be available.
    if (initialParameters) await run.checkpoints.save(beginning);
    else this.#beginning = beginning;
    return { step: 0, rateFactor: 1, saved: initialParameters !== undefined };
  }

  /** Once there is a checkpoint, the initial state is no longer needed. */
  noteCheckpoint(): void {
    this.#beginning = undefined;
  }

  /** Puts the network into the last good state, or the last before a step. */
  async restore(network: Network, before?: number): Promise<GoodState> {
    const restored = await this.#restoreSaved(network, before);
    if (restored) return restored;
    if (!this.#beginning) throw new CheckpointError(`${this.#run.path}: there is no state left to continue from`);
    load(network, this.#beginning);
    return { step: 0, rateFactor: 1, saved: false };
  }

  /** Puts the checkpoints of a step and later ones aside, if there are earlier states. */
  async putAsideFrom(step: number): Promise<void> {
    const { checkpoints } = this.#run;
    const steps = await checkpoints.steps();
    const later = steps.filter((one) => one >= step);
    if (later.length === steps.length && !this.#beginning) return;
    for (const one of later) await checkpoints.putAside(one);
  }

  async #restoreSaved(network: Network, before?: number): Promise<GoodState | undefined> {
    const run = this.#run;
    let rateFactor = 1;
    const step = await run.checkpoints.restore(
      (checkpoint) => {
        if (checkpoint.step > run.config.recipe.steps) {
          // The file is not at fault, so the previous checkpoint should not be used instead.
          throw new ConfigError(
            `${run.path}: its checkpoint is of step ${checkpoint.step}, past the end of a run of ${run.config.recipe.steps}; let the run be longer`,
          );
        }
        load(network, checkpoint);
        rateFactor = checkpoint.rateFactor ?? 1;
      },
      { ...(before !== undefined && { before }), onProblem: this.#onProblem },
    );
    return step === undefined ? undefined : { step, rateFactor, saved: true };
  }
}

function load(network: Network, checkpoint: Checkpoint): void {
  network.loadParameters(checkpoint.parameters);
  network.loadState(checkpoint);
}
