// biome-ignore-all lint/suspicious/noTemplateCurlyInString: sources are quoted here as they are.
/**
 * Breaks the sources in one place after another and reports which tests notice. Every mutation must make its test file
 * fail; one that survives is a gap in the tests. Each file is restored, even after Ctrl-C.
 *
 *   npm run test:mutations [-- WORD] WORD: only the mutations whose name contains it
 *   node scripts/mutations.mjs --check: only whether every place is still there; breaks nothing
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The mutated file, the replacement, and the test file that must fail; `only` restricts it to some tests. */
const mutations = [
  {
    name: 'a step reads the batch after its own',
    file: 'packages/data/src/batches.ts',
    find: 'position: step % perEpoch',
    replace: 'position: (step + 1) % perEpoch',
    test: 'src/batches.test.ts',
  },
  {
    name: 'weights do not decay',
    file: 'packages/optim/src/sgd.ts',
    find: ' + f32(${rule.weightDecay}) * parameter',
    replace: '',
    test: 'src/sgd.test.ts',
  },
  {
    name: 'the learning rate drops one evaluation late',
    file: 'packages/optim/src/schedule.ts',
    find: '++idle === patience',
    replace: 'idle++ === patience',
    test: 'src/schedule.test.ts',
  },
  {
    name: 'no image is reflected',
    file: 'packages/augment/src/kernel.ts',
    find: 'select(x, ${cropWidth - 1}u - x, mirrored)',
    replace: 'select(x, x, mirrored)',
    test: 'src/augmenter.test.ts',
  },
  {
    name: 'the top-5 error counts equal probabilities as likelier',
    file: 'packages/trainer/src/evaluation/ranking.ts',
    find: 'if (probabilities[index]! > own) above++;',
    replace: 'if (probabilities[index]! >= own) above++;',
    test: 'src/evaluation/ranking.test.ts',
  },
  {
    name: 'a file is never renamed to its name',
    file: 'packages/trainer/src/file.ts',
    find: '    await rename(temporary, path);\n',
    replace: '',
    test: 'src/safetensors.test.ts',
  },
  {
    name: 'a product forgets what it adds to',
    file: 'packages/tensor/src/math/product.ts',
    find: "(accumulate ? 'sum += load_output(i);' : '')",
    replace: "''",
    test: 'src/math/product.test.ts',
  },
  {
    name: 'the gradients of a dense layer are summed over one image too few',
    file: 'packages/layers-dense/src/dense.ts',
    find: 'k: batch,',
    replace: 'k: batch - 1,',
    test: 'src/dense.test.ts',
  },
  {
    name: 'adapters exchange the same values in every run',
    file: 'packages/tensor/src/kernel/local-message.ts',
    find: '      write(buffer.getMappedRange(), offset);\n',
    replace: '      void write, offset;\n',
    test: 'src/kernel/exchange.test.ts',
  },
  {
    name: 'a card is timed before it has warmed up',
    file: 'packages/tensor/src/kernel/timing.ts',
    find: 'const warmUpMilliseconds = 50;',
    replace: 'const warmUpMilliseconds = 0;',
    test: 'src/kernel/timing.test.ts',
  },
  {
    name: 'a page from http: is told to get another browser',
    file: 'packages/tensor/src/platform/browser-adapters.ts',
    find: 'page.isSecureContext === false',
    replace: 'page.isSecureContext === undefined',
    test: 'src/platform/browser-adapters.test.ts',
  },
  {
    name: 'a candidate that crashed a process is tried again the next day',
    file: 'packages/tensor/src/kernel/risky-candidates.ts',
    find: 'await cache?.avoid(gpu.description, new Map(avoided));',
    replace: '',
    test: 'src/kernel/trial-process.test.ts',
  },
  {
    name: '--resume begins again',
    file: 'packages/cli/src/commands/train.ts',
    find: 'exists ? resumedRun(',
    replace: 'exists && !options.resume ? resumedRun(',
    test: 'src/bad-input.test.ts',
    only: 'a run that was started by another command',
  },
];

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs one test file; returns the names of the failed tests, and all output. */
function run({ file, test, only }) {
  const folder = join(root, file.split('/').slice(0, 2).join('/'));
  const args = ['vitest', 'run', test, '--reporter=tap-flat', ...(only ? ['-t', only] : [])];
  return new Promise((resolve, reject) => {
    const child = spawn('npx', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      const failed = [...said.matchAll(/^not ok \d+ - (.*?)(?: # .*)?$/gm)].map(([, name]) => name);
      resolve({ code, failed, said });
    });
  });
}

let restore = () => undefined;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    restore();
    process.exit(1);
  });
}

for (const { name, file, find } of mutations) {
  const places = readFileSync(join(root, file), 'utf8').split(find).length - 1;
  if (places !== 1) throw new Error(`${name}: ${file} has ${places} places to mutate, expected one`);
}
const [word = ''] = process.argv.slice(2);
if (word === '--check') process.exit();

let survivors = 0;
for (const mutation of mutations.filter(({ name }) => name.includes(word))) {
  const path = join(root, mutation.file);
  const source = readFileSync(path, 'utf8');
  restore = () => writeFileSync(path, source);
  let outcome;
  try {
    writeFileSync(
      path,
      source.replace(mutation.find, () => mutation.replace),
    );
    outcome = await run(mutation);
  } finally {
    restore();
  }
  const { code, failed, said } = outcome;
  const noticed = code !== 0 && failed.length > 0;
  if (!noticed) survivors++;
  console.log(`${noticed ? 'noticed ' : 'SURVIVED'}  ${mutation.name} (${mutation.file})`);
  for (const name of failed.slice(0, 3)) console.log(`            ${name}`);
  if (failed.length > 3) console.log(`            and ${failed.length - 3} more`);
  // A test file that does not load has noticed nothing.
  if (code !== 0 && failed.length === 0) console.log(said);
}
process.exitCode = survivors === 0 ? 0 : 1;
