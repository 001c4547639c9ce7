// The kernels of the paper's network.
//
//   npm run wgsl -- --update accepts the current kernels: writes packages/model-alexnet/fixtures/kernels.json
//   npm run wgsl -- --write FOLDER writes their texts, one file each
//   npm run wgsl -- --diff REVISION shows how they differ from those of another revision
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: { update: { type: 'boolean' }, write: { type: 'string' }, diff: { type: 'string' } },
});

if (values.update) {
  const { paperHashes } = await import('../packages/model-alexnet/src/testing/pinned-kernels.ts');
  const file = join(root, 'packages/model-alexnet/fixtures/kernels.json');
  writeFileSync(file, `${JSON.stringify(paperHashes(), null, 1)}\n`);
} else if (values.write) {
  const { paperKernels } = await import('../packages/model-alexnet/src/testing/pinned-kernels.ts');
  for (const [key, text] of paperKernels()) {
    const [set, label] = key.split(': ');
    const file = join(values.write, set, `${label.replaceAll('/', ' ')}.wgsl`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
} else if (values.diff) {
  process.exitCode = diff(values.diff);
} else {
  console.error('Give --update, --write FOLDER or --diff REVISION.');
  process.exitCode = 2;
}

/** Exits like git diff: 0 if nothing differs, 1 if something does. */
function diff(revision) {
  const folder = mkdtempSync(join(tmpdir(), 'alex-wgsl-'));
  const checkout = join(folder, 'checkout');
  const run = (cwd, command, ...given) => execFileSync(command, given, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    run(root, 'git', 'worktree', 'add', '--detach', checkout, revision);
    run(checkout, 'npm', 'ci', '--prefer-offline', '--ignore-scripts');
    run(checkout, 'npm', 'run', 'wgsl', '--', '--write', join(folder, 'then'));
    run(root, 'npm', 'run', 'wgsl', '--', '--write', join(folder, 'now'));
    return spawnSync('git', ['diff', '--no-index', 'then', 'now'], { cwd: folder, stdio: 'inherit' }).status ?? 1;
  } finally {
    execFileSync('git', ['worktree', 'remove', '--force', checkout], { cwd: root, stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  }
}
