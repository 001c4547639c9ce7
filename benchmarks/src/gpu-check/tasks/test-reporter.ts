import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { formatRecord } from '../records.js';

/** Tells vitest's results one by one as they come: whoever is cut off has told what was passed by then. */
export default class RecordReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    this.#tell(state, `${test.module.relativeModuleId}: ${test.fullName}`, errors?.[0]?.message);
  }

  /** A file that cannot be loaded has no tests that could fail. */
  onTestModuleEnd(module: TestModule): void {
    for (const error of module.errors()) this.#tell('failed', module.relativeModuleId, error.message);
  }

  onTestRunEnd(_modules: unknown, errors: readonly { readonly message: string }[]): void {
    for (const { message } of errors) this.#tell('failed', 'outside of the tests', message);
  }

  #tell(state: string, name: string, message?: string): void {
    console.log(formatRecord({ state, name, ...(message !== undefined && { message }) }));
  }
}
