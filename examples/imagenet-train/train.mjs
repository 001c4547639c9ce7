#!/usr/bin/env node
// Trains the paper's network from ImageNet's files, with the command of @alex/cli: prepare, tune, train, evaluate,
// report. Finished steps are skipped the next time, and the training resumes where it stopped. So after Ctrl-C or a
// power cut, just run the same command again. `node train.mjs --help` lists the options.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const help = `node train.mjs --from DOWNLOADS [options]

  --from DIR        folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz
  --to DIR          where the prepared images go (default: imagenet-256)
  --run DIR         directory of the run (default: runs/paper)
  --recipe FILE     how to train (default: recipes/one-gpu.json, or recipes/two-gpus.json with several --adapters)
  --adapters NAMES  the adapters to compute on, such as 0,1 (default: the best one)
  --strategy NAME   how several adapters share the work: data, model, hybrid or auto (default: data)
  --tune EFFORT     full, quick or off (default: full)
  --epochs N        instead of the recipe's
  --dry-run         print the commands and run none
  --help            print this
`;

/** The required files of ImageNet, as downloaded: a pattern, a description, and the size. */
const archives = [
  { name: 'ILSVRC2012_img_train.tar', about: '1,281,167 training images, 138 GB', pattern: /_img_train.*\.tar$/ },
  { name: 'ILSVRC2012_img_val.tar', about: '50,000 validation images, 6.3 GB', pattern: /_img_val\.tar$/ },
  { name: 'ILSVRC2012_devkit_t12.tar.gz', about: 'the development kit, 2.5 MB', pattern: /devkit/ },
];

/** Wrong use: reported in one line, without a stack. */
class Misuse extends Error {}

/**
 * Runs all steps, or prints them.
 *
 * @param {readonly string[]} args as on the command line
 * @param {readonly string[]} alexnet the program and first arguments that run `alexnet`
 * @returns {Promise<number>} the exit code: of the first command that failed, or 0
 */
export async function main(args, alexnet = installedCommand()) {
  try {
    const options = readOptions(args);
    if (options.help) {
      console.log(help);
      return 0;
    }
    if (!options['dry-run']) await checkArchives(options);
    for (const { skip, why, command } of await steps(options)) {
      console.log(skip ? `# ${why}: ${quoted(command)}` : `$ ${quoted(command)}`);
      if (skip || options['dry-run']) continue;
      const code = await run([...alexnet, ...command]);
      if (code !== 0) return code;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    console.error(`error: ${error.message}`);
    return 2;
  }
}

/** @param {readonly string[]} args */
function readOptions(args) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        from: { type: 'string' },
        to: { type: 'string', default: 'imagenet-256' },
        run: { type: 'string', default: join('runs', 'paper') },
        recipe: { type: 'string' },
        adapters: { type: 'string' },
        strategy: { type: 'string', default: 'data' },
        tune: { type: 'string', default: 'full' },
        epochs: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    return { ...values, severalAdapters: values.adapters?.includes(',') ?? false };
  } catch (error) {
    throw new Misuse(/** @type {Error} */ (error).message);
  }
}

/** @typedef {ReturnType<typeof readOptions>} Options */

/**
 * Missing archives are reported before anything is created; `prepare` checks their contents.
 *
 * @param {Options} options
 */
async function checkArchives({ from, to }) {
  if (await exists(join(to, 'dataset.json'))) return;
  if (from === undefined) throw new Misuse('--from is missing: the folder with the archives as they are downloaded.');
  const files = await readdir(from).catch(() => {
    throw new Misuse(`--from ${from}: there is no such folder.`);
  });
  const missing = archives.filter(({ pattern }) => !files.some((file) => pattern.test(file)));
  if (missing.length === 0) return;
  const list = missing.map(({ name, about }) => `${name} (${about})`).join(', ');
  throw new Misuse(
    `--from ${from} lacks ${list}. Get it from https://image-net.org/download.php; it needs an account.`,
  );
}

/**
 * The commands in order; finished ones are marked.
 *
 * @param {Options} options
 * @returns {Promise<{ command: string[], skip?: boolean, why?: string }[]>}
 */
async function steps({ from = 'DOWNLOADS', to, run, recipe, adapters, strategy, tune, epochs, severalAdapters }) {
  const file =
    recipe ?? fileURLToPath(new URL(`recipes/${severalAdapters ? 'two-gpus' : 'one-gpu'}.json`, import.meta.url));
  const { model, batch } = await readRecipe(file);
  const tunings = `${run}-tunings.json`;
  const [first] = adapters?.split(',') ?? [];
  const one = first === undefined ? [] : ['--adapter', first];
  const all = adapters === undefined ? [] : ['--adapters', adapters];
  const begun = await exists(join(run, 'config.json'));
  const network = ['--model', model.variant, '--batch', String(batch)];
  // Adapters that share the work compute other shapes than a single one, so the training measures those itself.
  const tuned = tune !== 'off' && !severalAdapters;
  const effort = tune === 'off' || severalAdapters ? ['--tune', tune] : ['--tunings', tunings];
  const training = ['--data', to, '--recipe', file, ...effort, ...(epochs === undefined ? [] : ['--epochs', epochs])];
  return [
    {
      command: ['prepare', '--source', 'imagenet', '--from', from, '--to', to],
      skip: await exists(join(to, 'dataset.json')),
      why: 'prepared already',
    },
    ...(tuned
      ? [
          {
            command: ['devices', '--tune', tune, ...network, ...one, '--to', tunings],
            skip: begun || (await exists(tunings)),
            why: 'tuned already',
          },
        ]
      : []),
    {
      command: [
        ...['train', '--run', run, ...all],
        ...(begun ? ['--resume'] : [...training, ...(severalAdapters ? ['--strategy', strategy] : [])]),
      ],
      skip: await exists(join(run, 'weights.safetensors')),
      why: 'trained already',
    },
    { command: ['evaluate', '--run', run, '--views', '10', ...one] },
    { command: ['report', '--run', run, ...one] },
  ];
}

/** @param {string} file */
async function readRecipe(file) {
  try {
    const { model, batch } = JSON.parse(await readFile(file, 'utf8'));
    return { model: { variant: String(model.variant) }, batch: Number(batch) };
  } catch (error) {
    throw new Misuse(`--recipe ${file}: ${/** @type {Error} */ (error).message}`);
  }
}

/** The command installed by `npm install @alex/cli`. */
function installedCommand() {
  const manifest = createRequire(import.meta.url).resolve('@alex/cli/package.json');
  return [process.execPath, join(dirname(manifest), 'bin', 'alexnet.js')];
}

/**
 * Runs a command to its end. Ctrl-C is handled by the command: it saves and exits, followed by this script.
 *
 * @param {readonly string[]} command
 */
async function run([program, ...args]) {
  const child = spawn(/** @type {string} */ (program), args, { stdio: 'inherit' });
  const wait = () => {};
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => child.kill(signal);
  // Signals of a terminal reach the command too; those of a scheduler only reach this script.
  const forwarded = /** @type {const} */ (['SIGTERM', 'SIGUSR1', 'SIGUSR2']);
  process.on('SIGINT', wait).on('SIGHUP', wait);
  for (const signal of forwarded) process.on(signal, forward);
  try {
    const [code] = await once(child, 'close');
    return typeof code === 'number' ? code : 1;
  } finally {
    process.off('SIGINT', wait).off('SIGHUP', wait);
    for (const signal of forwarded) process.off(signal, forward);
  }
}

/** @param {string} path */
function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** @param {readonly string[]} command */
function quoted(command) {
  return ['alexnet', ...command].map((word) => (/^[\w./,:=@-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
