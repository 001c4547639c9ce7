/**
 * Kills a small training run at random moments, again and again, and takes the adapter away from another. In the end,
 * both must have the weights of an undisturbed run, byte for byte.
 *
 *   npm run soak -- --kills 100 --losses 20 --seed 1
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { streamOf, threefry2x32 } from '@alex/tensor/kernels';
import { RunDirectory, train } from '@alex/trainer';
import { bundleCommand } from '../../bundle.setup.js';
import { openDataOfRun } from '../data.js';
import { openSession, type Session } from '../session.js';
import { startCommand } from './command.js';
import { writeImages } from './images.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    losses: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const [kills, losses, seed] = [values.kills, values.losses, values.seed].map(Number) as [number, number, number];

let draws = 0;
/** A uniform random number between two bounds. */
function between(least: number, most: number): number {
  return least + (threefry2x32(seed, streamOf('soak'), draws++, 0)[0] / 2 ** 32) * (most - least);
}

const bundle = await bundleCommand();
const directory = await mkdtemp(join(tmpdir(), 'alex-soak-'));
const images = join(directory, 'images');
await writeImages(images, ['blue', 'green', 'red']);

/** Long enough to be killed some ten times, with checkpoints every few steps, so that kills also hit writes. */
const steps = 600;
const training = (run: string) => [
  ...['train', '--data', images, '--model', 'small', '--crop', '24', '--batch', '4', '--steps', `${steps}`],
  ...['--checkpoint-every', '3', '--evaluate-every', '50', '--tune', 'off', '--resume', '--run', run],
];
const weights = (run: string) => readFile(join(run, 'weights.safetensors'));
const say = (line: string) => process.stdout.write(`${line}\n`);

const whole = join(directory, 'whole');
const begin = performance.now();
const undisturbed = await startCommand(training(whole), { bundle: bundle.url }).ended;
if (undisturbed.code !== 0) throw new Error(`the undisturbed training failed: ${undisturbed.stderr}`);
const seconds = (performance.now() - begin) / 1000;
const wanted = await weights(whole);
say(`undisturbed: ${steps} steps in ${seconds.toFixed(1)} s`);

let failures = 0;
function compare(what: string, got: Buffer): void {
  const same = got.equals(wanted);
  if (!same) failures++;
  say(`${what}: final weights ${same ? 'equal' : 'DIFFER'}`);
}

for (let killed = 0, runs = 0; killed < kills; runs++) {
  const run = join(directory, `killed${runs}`);
  const before = killed;
  const moments: string[] = [];
  for (;;) {
    const running = startCommand(training(run), { bundle: bundle.url });
    const ended = running.ended.then(({ code, stderr }) => ({ code, stderr }));
    // A moment from before the run has started until it, or what is left of it, is half done.
    const wait = killed < kills ? between(0.3, Math.max(4, seconds / 2)) : undefined;
    const first = await (wait === undefined ? ended : Promise.race([ended, setTimeout(1000 * wait)]));
    if (first) {
      if (first.code === 0) break;
      throw new Error(`a resumed training run failed: ${first.stderr}`);
    }
    running.process.kill('SIGKILL');
    const { code } = await ended;
    if (code === 0) break;
    killed++;
    const [newest = 'none'] = (await readdir(join(run, 'checkpoints')).catch(() => []))
      .filter((name) => name.startsWith('step'))
      .sort()
      .reverse();
    moments.push(`${wait!.toFixed(1)} s (${/\d{8}/.exec(newest)?.[0].replace(/^0+/, '') ?? 'none'})`);
  }
  compare(`run ${runs + 1}, killed ${killed - before} times after ${moments.join(', ')}`, await weights(run));
  await rm(run, { recursive: true });
}

/** Trains in this process and destroys the device at random moments. */
async function loseAdapters(): Promise<void> {
  const { config } = await RunDirectory.open(whole);
  let left = losses;
  for (let runs = 1; left > 0; runs++) {
    const path = join(directory, `lost${runs}`);
    const run = await RunDirectory.create(path, config);
    const dataset = await openDataOfRun(config, undefined, { output: { line: (text = '') => say(text) } });
    const open = () => openSession(config, { adapters: process.env['ALEX_ADAPTER'], training: true });
    let session: Session = await open();
    let lost = 0;
    let timer: NodeJS.Timeout | undefined;
    const loseSoon = () => {
      if (left === 0) return;
      timer = globalThis.setTimeout(() => {
        session.gpus[0]!.device.destroy();
        lost++;
        left--;
      }, 1000 * between(0.3, 3));
    };
    loseSoon();
    try {
      await train({
        run,
        network: session.network,
        augmenter: session.augmenter,
        dataset,
        reopen: async () => {
          session.dispose();
          session = await open();
          loseSoon();
          return session;
        },
      });
    } finally {
      clearTimeout(timer);
      session.dispose();
    }
    compare(`run ${runs}, adapter lost ${lost} times`, await weights(path));
    await rm(path, { recursive: true });
  }
}
await loseAdapters();

await rm(directory, { recursive: true });
await bundle.remove();
say(failures === 0 ? 'all equal' : `${failures} runs ended with other weights`);
process.exitCode = failures === 0 ? 0 : 1;
