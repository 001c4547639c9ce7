import { readFile } from 'node:fs/promises';

/**
 * Runs the examples in the comments of a source, one after the other.
 *
 * @param source the path of the source, relative to the test
 * @param testUrl `import.meta.url` of the test
 * @param given what the examples use by name; lines that import it are left out
 * @returns the value of each that is a single call
 * @throws Error if there are none
 */
export async function runExamples(
  source: string,
  testUrl: string,
  given: Readonly<Record<string, unknown>>,
): Promise<unknown[]> {
  const text = await readFile(new URL(source, testUrl), 'utf8');
  const examples = [...text.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```/gm)];
  if (examples.length === 0) throw new Error(`${source} has no example`);
  const AsyncFunction = (async () => undefined).constructor as FunctionConstructor;
  const results: unknown[] = [];
  for (const [, commented] of examples) {
    const code = commented!
      .replaceAll(/^ *\* ?/gm, '')
      .replaceAll(/^import .*;\n/gm, '')
      .trimEnd();
    // One that is a single statement, a call or a constant, gives its value.
    const statement = /^(?:const \w+ = )?((?:await )?\w+\((?:.|\n(?=[ })]))*\);)$/.exec(code)?.[1];
    const run = new AsyncFunction(...Object.keys(given), statement === undefined ? code : `return ${statement}`);
    results.push(await run(...Object.values(given)));
  }
  return results;
}
