import { EventFile, type Origin, type RunDirectory, type TrainingEvent } from '@alex/trainer';
import { RunProvenance } from './run-provenance.js';
import type { Session } from './session.js';

/** What a run's directory gets besides metrics, checkpoints and weights: what trains it, and event files for TensorBoard. */
export class RunRecords {
  readonly #run: RunDirectory;
  readonly #say: (line: string) => void;
  readonly #provenance: RunProvenance;
  #events: EventFile | undefined;

  constructor(
    run: RunDirectory,
    session: Session,
    {
      words,
      ranks,
      say,
    }: { readonly words: readonly string[]; readonly ranks?: Origin['ranks']; say(line: string): void },
  ) {
    this.#run = run;
    this.#say = say;
    this.#provenance = new RunProvenance(run, session, words, say, ranks);
  }

  show(event: TrainingEvent): void {
    this.#provenance.show(event);
    if (event.kind === 'start') this.#events = new EventFile(this.#run.path, event.step + 1);
    if (event.kind === 'step' || event.kind === 'validation') this.#events?.add(event.metrics);
  }

  /** The first call counts: what fails afterwards is not the training. */
  end(...how: Parameters<RunProvenance['end']>): void {
    this.#provenance.end(...how);
  }

  /** A failure is only reported: event files are not worth losing a training run. */
  async close(): Promise<void> {
    await this.#events?.close().catch((error: Error) => this.#say(`For TensorBoard: ${error.message}`));
  }
}
