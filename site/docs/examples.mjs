import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { globSync } from 'tinyglobby';

/**
 * The sources with an example in a comment that no test runs, by `runExamples`.
 *
 * @param root the folder of the repository
 */
export function examplesWithoutTest(root) {
  const files = globSync('packages/*/src/**/*.ts', { cwd: root });
  const read = (file) => readFileSync(join(root, file), 'utf8');
  const isTest = (file) => file.endsWith('.test.ts');
  const tests = files
    .filter(isTest)
    .map(read)
    .filter((text) => text.includes('runExamples('));
  return files
    .filter((file) => !isTest(file) && /^ *\* ```ts$/m.test(read(file)))
    .filter((file) => !tests.some((text) => text.includes(`'${basename(file)}'`)));
}
