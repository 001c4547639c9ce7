import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

/**
 * Tests run on the sources of every package (the `@alex/source` export condition). All test files of a package share
 * one process, and with it the device of `testGpu()` and its compiled kernels. `NAME.isolated.test.ts` has its own
 * process: for tests that replace modules or change global state of the process.
 *
 * @param options.folder the folder of the tests; `src`
 */
export function packageTests(
  options: {
    readonly globalSetup?: string[];
    readonly setupFiles?: string[];
    readonly maxWorkers?: number;
    readonly folder?: string;
  } = {},
) {
  const { maxWorkers = 1, globalSetup = [], setupFiles = [], folder = 'src' } = options;
  const [all, isolated] = [`${folder}/**/*.test.ts`, `${folder}/**/*.isolated.test.ts`];
  const project = (name: string, test: NonNullable<ViteUserConfig['test']>) => ({
    resolve: { conditions: ['@alex/source'] },
    ssr: { resolve: { conditions: ['@alex/source'] } },
    test: {
      name,
      pool: 'forks' as const,
      // No timeouts: a test that hangs will be noticed.
      testTimeout: 0,
      hookTimeout: 0,
      teardownTimeout: 0,
      setupFiles: [fileURLToPath(new URL('polling.setup.ts', import.meta.url)), ...setupFiles],
      ...test,
    },
  });
  return defineConfig({
    test: {
      globalSetup: [fileURLToPath(new URL('temporary.setup.ts', import.meta.url)), ...globalSetup],
      passWithNoTests: true,
      // Software drivers use all cores themselves.
      maxWorkers,
      fileParallelism: maxWorkers > 1,
      projects: [
        project('together', { include: [all], exclude: [isolated, '**/node_modules/**'], isolate: false }),
        project('isolated', { include: [isolated] }),
      ],
    },
  });
}

export default packageTests();
