import { availableParallelism, cpus } from 'node:os';
import type { Ending, Origin, ProvenanceFile, RunDirectory, TrainingEvent } from '@alex/trainer';
import type { Session } from './session.js';
import { version } from './version.js';

/**
 * Records in a run's directory what trains it: the command, the version, the machine. If it cannot be recorded, training
 * does not fail; a warning is printed.
 */
export class RunProvenance {
  readonly #run: RunDirectory;
  readonly #origin: Omit<Origin, 'step'>;
  readonly #say: (line: string) => void;
  #file: ProvenanceFile | undefined;
  #isNoted = false;
  #step = 0;

  /** @param ranks the processes that train together, if there are several */
  constructor(
    run: RunDirectory,
    session: Session,
    words: readonly string[],
    say: (line: string) => void,
    ranks?: Origin['ranks'],
  ) {
    this.#run = run;
    this.#origin = { ...originOf(session, words), ...(ranks && { ranks }) };
    this.#say = say;
  }

  /** The first `start` event shows that no other process trains the run, and gives the first step. */
  show(event: TrainingEvent): void {
    if (event.kind === 'start') {
      this.#step = event.step;
      if (!this.#isNoted)
        this.#attempt(() => (this.#file = this.#run.beginStretch({ step: event.step, ...this.#origin })));
      this.#isNoted = true;
    } else if (event.kind === 'step') this.#step = event.metrics.step;
    else if (event.kind === 'problem') this.#attempt(() => this.#file?.problem(event.message));
  }

  /** The first call counts: what fails afterwards is not the training. */
  end(outcome: Ending['outcome'], { reason, rankSeconds }: Pick<Ending, 'reason' | 'rankSeconds'> = {}): void {
    const file = this.#file;
    this.#file = undefined;
    this.#attempt(() =>
      file?.end({
        step: this.#step,
        outcome,
        ...(reason !== undefined && { reason }),
        ...(rankSeconds && { rankSeconds }),
      }),
    );
  }

  #attempt(work: () => unknown): void {
    try {
      work();
    } catch (error) {
      this.#say(`The provenance of the run is not recorded: ${(error as Error).message}`);
    }
  }
}

function originOf({ gpus, network, strategy }: Session, words: readonly string[]): Omit<Origin, 'step'> {
  const { adapters = [], ...memory } = network.memory();
  const processors = cpus();
  return {
    version,
    command: [...words],
    machine: {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      processor: processors[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
    },
    adapters: gpus.map(({ description: { name, driver, kind } }, index) => ({
      name,
      driver,
      kind,
      memoryBytes: (adapters[index] ?? memory).totalBytes,
    })),
    ...(gpus.length > 1 && { strategy }),
    memory: {
      total: memory.totalBytes,
      parameters: memory.parameterBytes,
      optimizerState: memory.stateBytes,
      activations: memory.activationBytes,
    },
  };
}
