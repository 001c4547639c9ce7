import { initialValues } from './initialize.js';
import type { LearnedParameter } from './optimizer.js';

/**
 * Initial values of parameters, generated when each is first needed. Generating the paper's 61 million takes seconds,
 * and a network with loaded parameters needs none of them.
 */
export class InitialParameters {
  readonly #seed: number;
  readonly #write: (parameter: LearnedParameter, values: Float32Array) => void;
  readonly #undrawn: Map<string, LearnedParameter>;

  /** @param write passes the generated values to the adapters */
  constructor(
    parameters: readonly LearnedParameter[],
    seed: number,
    write: (parameter: LearnedParameter, values: Float32Array) => void,
  ) {
    this.#undrawn = new Map(parameters.map((parameter) => [parameter.path, parameter]));
    this.#seed = seed;
    this.#write = write;
  }

  /** Makes sure that the given parameters have values; all of them by default. */
  draw(paths: readonly string[] = [...this.#undrawn.keys()]): void {
    for (const path of paths) {
      const parameter = this.#undrawn.get(path);
      if (!parameter) continue;
      this.#write(parameter, initialValues(parameter, this.#seed));
      this.#undrawn.delete(path);
    }
  }

  /** All parameters have been overwritten, so none is generated any more. */
  replaced(): void {
    this.#undrawn.clear();
  }
}
