import { defineConfig } from 'vitest/config';

/** Tests run on the sources of every package (the `@alex/source` export condition), one process for each file. */
export default defineConfig({
  resolve: { conditions: ['@alex/source'] },
  ssr: { resolve: { conditions: ['@alex/source'] } },
  test: {
    include: ['src/**/*.test.ts'],
    pool: 'forks',
    // Software drivers use every core by themselves.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    passWithNoTests: true,
  },
});
