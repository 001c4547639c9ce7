import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { formatRecord } from '../records.js';

/** Reports vitest's results one by one, so that an early end leaves all results so far. */
export default class RecordReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    this.#tell(state, `${test.module.relativeModuleId}: ${test.fullName}`, errors?.[0]?.message);
  }

  /** A file that does not load has no tests that could fail. */
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
