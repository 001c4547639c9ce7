import { initialValues } from './initialize.js';
import type { LearnedParameter } from './optimizer.js';

/**
 * The values that parameters start from, each drawn when it is first needed: drawing the paper's 61 million takes seconds, and
 * a network whose parameters are loaded needs none of them.
 */
export class InitialParameters {
  readonly #seed: number;
  readonly #write: (parameter: LearnedParameter, values: Float32Array) => void;
  readonly #undrawn: Map<string, LearnedParameter>;

  /** @param write hands the adapters what was drawn */
  constructor(
    parameters: readonly LearnedParameter[],
    seed: number,
    write: (parameter: LearnedParameter, values: Float32Array) => void,
  ) {
    this.#undrawn = new Map(parameters.map((parameter) => [parameter.path, parameter]));
    this.#seed = seed;
    this.#write = write;
  }

  /** Sees to it that some parameters have values; all of them, where none are named. */
  draw(paths: readonly string[] = [...this.#undrawn.keys()]): void {
    for (const path of paths) {
      const parameter = this.#undrawn.get(path);
      if (!parameter) continue;
      this.#write(parameter, initialValues(parameter, this.#seed));
      this.#undrawn.delete(path);
    }
  }

  /** All parameters were written: none is drawn any more. */
  replaced(): void {
    this.#undrawn.clear();
  }
}
