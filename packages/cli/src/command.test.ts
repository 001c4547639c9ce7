import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand, startCommand, untilMeasured } from './testing/command.js';
import { writeImages } from './testing/images.js';
import { writeConstantRecipe } from './testing/recipe.js';

const directory = temporaryFolder();
let images: string;

beforeAll(async () => {
  images = join(directory, 'images');
  await writeImages(images, ['blue', 'green', 'red']);
});

/** As few kernels as possible, for what a separate process must compile. */
const one = ['--batch', '1'];

function training(run: string, steps: number, ...more: string[]): string[] {
  const model = more.includes('--recipe') ? [] : ['--model', 'small'];
  const sizes = ['--crop', '24', '--batch', '4', '--steps', `${steps}`];
  return ['train', '--data', images, ...model, ...sizes, '--run', run, ...more];
}

describe('help', () => {
  it.each([
    [
      [],
      [
        ...['demo', 'prepare', 'augment', 'train', 'evaluate', 'classify', 'report', 'compare', 'devices', 'kernel'],
        'Examples:',
      ],
    ],
    [
      ['train'],
      [
        '--data',
        '--run',
        '--model',
        '--batch',
        '--steps',
        '--epochs',
        '--seed',
        '--precision',
        '--adapters',
        '--resume',
        '--tune',
        '--tunings',
      ],
    ],
    [
      ['evaluate'],
      ['--run', '--weights', '--mean', '--data', '--views', '--mix', '--predictions', '--tune', '--tunings', '--json'],
    ],
    [['augment'], ['<image>', '--to', '--data', '--size', '--crop', '--seed', '--adapter <name>', '--json']],
    [['classify'], ['--run', '--weights', '--labels', '<image...>', '--json']],
    [['demo'], ['--run', '--classes', '--steps', '--seed', '--tune', '--tunings', '--json']],
    [['devices'], ['--tune', '--to', '--model', '--batch', '--precision', '--adapters', '--json']],
    [['report'], ['--run', '--data', '--checkpoint', '--views', '--json']],
    [['compare'], ['<run...>', '--to', '--by', '--json']],
    [['kernel'], ['[name]', '--model', '--batch', '--bytes', '--wgsl', '--candidates', '--json']],
  ])('of %s describes its arguments', async (command, words) => {
    const { code, stdout, stderr } = await runCommand([...command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const word of words) expect(stdout).toContain(word);
  });

  it.each(['demo', 'augment', 'evaluate', 'classify', 'report', 'similar', 'features', 'kernel'])(
    'of %s shows the option for its only adapter in the singular; either spelling is taken',
    async (command) => {
      const { stdout } = await runCommand([command, '--help']);
      expect(stdout).toContain('--adapter <name>');
      expect(stdout).not.toContain('--adapters');
      for (const spelling of ['--adapter', '--adapters']) {
        const { code, stderr } = await runCommand([command, spelling]);
        expect({ code, stderr }).toEqual({
          code: 2,
          stderr: "error: option '--adapter <name>' argument missing\n",
        });
      }
    },
  );

  it.each(['train', 'devices'])('of %s shows the option for its adapters in the plural', async (command) => {
    const { stdout } = await runCommand([command, '--help']);
    expect(stdout).toContain('--adapters <names>');
    expect(stdout).not.toContain('--adapter,');
  });

  it('groups the options of train, marks required ones, and omits trivial defaults', async () => {
    const { stdout } = await runCommand(['train', '--help']);
    const headings = [...stdout.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      'Run',
      'Data',
      'Network and optimization',
      'Augmentation',
      'Evaluation and checkpoints',
      'Adapters and speed',
      'Several processes, on one machine or many',
      'Options',
      'Examples',
    ]);
    expect(stdout).toMatch(/--run <dir> +directory of the run \(required\)/);
    expect(stdout).not.toContain('(default: false)');
  });

  it.each(['demo', 'prepare', 'augment', 'train', 'evaluate', 'classify', 'report', 'compare', 'devices', 'kernel'])(
    'of %s has only examples with existing options',
    async (command) => {
      const { stdout } = await runCommand([command, '--help']);
      const [, examples = ''] = stdout.split('Examples:\n');
      for (const [option] of examples.matchAll(/--[a-z-]+/g)) expect(stdout.split('Examples:')[0]).toContain(option);
    },
  );

  it('goes to standard output and errors go to standard error, also in a separate process', async () => {
    const help = await startCommand(['--help']).ended;
    expect({ ...help, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(help.stdout).toBe((await runCommand(['--help'])).stdout);
    const wrong = await startCommand(['traim']).ended;
    expect(wrong).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(/^error: .*'traim'.*\n$/) });
  });
});

it('lists devices for people and for programs', async () => {
  const { code, stdout } = await runCommand(['devices', '--json']);
  expect(code).toBe(0);
  const devices = JSON.parse(stdout);
  expect(devices.length).toBeGreaterThan(0);
  for (const device of devices) {
    expect(device.name).toBeTypeOf('string');
    expect(device.roofline.multiplyAddsPerSecond).toBeGreaterThan(0);
    expect(device.roofline.copyBytesPerSecond).toBeGreaterThan(0);
    expect(device.tunings).toBe(0);
    expect(device.limits.maxBufferSize).toBeGreaterThan(0);
  }
  // Only the named ones; the others are not measured.
  const last = devices.at(-1);
  const named = await runCommand(['devices', '--json', '--adapter', last.name]);
  expect(named.code, named.stderr).toBe(0);
  expect(JSON.parse(named.stdout).map(({ index }: { index: number }) => index)).toEqual([last.index]);
});

it('trains, evaluates and classifies', async () => {
  const run = join(directory, 'whole', 'run');
  const trained = await runCommand(training(run, 60, '--learning-rate', '0.02', '--json'));
  expect(trained.code).toBe(0);
  const result = JSON.parse(trained.stdout);
  expect(result).toMatchObject({ run, finished: true, step: 60, validation: { split: 'val', step: 60 } });
  expect(trained.stderr).toMatch(/Training small .* on 21 images of 3 classes, 60 steps of 4/);
  expect((await readdir(run)).sort()).toEqual([
    'checkpoints',
    'config.json',
    expect.stringMatching(/^events\.out\.tfevents\./),
    'metrics.jsonl',
    'provenance.jsonl',
    'weights.safetensors',
  ]);
  const metrics = (await readFile(join(run, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(metrics.filter(({ split }) => split === 'train')).toHaveLength(60);
  expect(metrics.at(-1)).toEqual(result.validation);

  for (const views of ['1', '10']) {
    const evaluated = await runCommand(['evaluate', '--run', run, '--data', images, '--views', views, '--json']);
    expect(evaluated.code).toBe(0);
    const { images: count, loss, top1Error, top5Error, top1Wrong } = JSON.parse(evaluated.stdout);
    expect({ count, top1Wrong }).toEqual({ count: 3, top1Wrong: 0 });
    // Plain colours: nothing could be easier to learn.
    expect({ top1Error, top5Error }).toEqual({ top1Error: 0, top5Error: 0 });
    if (views === '1') expect(loss).toBeCloseTo(result.validation.loss, 6);
  }

  // An ensemble of the same network twice is that network; its predictions are written as a submission.
  const file = join(directory, 'predictions.txt');
  const ensemble = ['evaluate', '--run', `${run},${run}`, '--mix', 'search:top1', '--predictions', file, '--json'];
  const together = await runCommand(ensemble);
  expect(together.code).toBe(0);
  expect(together.stderr).toContain(`${run} is given more than once, and counts as often.`);
  const { loss, members } = JSON.parse(together.stdout);
  expect(loss).toBeCloseTo(result.validation.loss, 6);
  expect(members).toMatchObject([
    { run, weight: 0.5, alone: { images: 3, top1Wrong: 0 } },
    { run, weight: 0.5 },
  ]);
  // Classes are numbered from 1; there is one image of each, in their order.
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['1', '2', '3']);
  for (const line of lines) expect(line.split(' ').sort()).toEqual(['1', '2', '3']);

  const files = ['red', 'blue'].map((name) => join(images, name, '1.png'));
  const classified = await runCommand(['classify', '--run', run, ...files, '--json']);
  expect(classified.code).toBe(0);
  const named = JSON.parse(classified.stdout);
  expect(named.map(({ image }: { image: string }) => image)).toEqual(files);
  expect(named.map(({ labels }: { labels: { label: string }[] }) => labels[0]!.label)).toEqual(['red', 'blue']);
  expect(named[0].labels).toHaveLength(3);
  const reported = await runCommand(['report', '--run', run, '--json']);
  expect(JSON.parse(reported.stdout)).toEqual({ run, report: join(run, 'report.html') });
  expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('small on');
  const forPeople = await runCommand(['classify', '--run', run, files[0]!]);
  expect(forPeople.stdout).toMatch(/red.1\.png\n +\d+\.\d% {2}red\n/);
});

describe('tuned kernels', () => {
  it('are written to a file, which a run uses and resumes with', async () => {
    const file = join(directory, 'tunings.json');
    const tune = ['devices', '--tune', 'quick', '--model', 'small', '--batch', '2', '--to', file, '--json'];
    const { code, stdout, stderr } = await runCommand(tune);
    expect(code).toBe(0);
    expect(stderr).toMatch(/\nRoofline: .*\n {2}kernel +ms +TFLOP\/s +of roofline +chosen\n {2}\w+\//);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ file, dropped: [] });
    expect(report.kernels).toHaveLength(Object.keys(report.tunings).length);
    for (const { rooflineShare, teraflopsPerSecond } of report.kernels) {
      expect(rooflineShare).toBeGreaterThan(0);
      expect(teraflopsPerSecond).toBeGreaterThan(0);
    }
    const content = JSON.parse(await readFile(file, 'utf8'));
    expect(content).toEqual({ format: 1, adapter: report.adapter, driver: report.driver, entries: report.tunings });

    const entries = { ...content.entries, 'kernel/1/shape': { choice: 'a', milliseconds: 1, effort: 'full' } };
    await writeFile(file, JSON.stringify({ ...content, entries }));
    const run = join(directory, 'with-tunings');
    const trained = await runCommand(training(run, 1, '--tunings', file));
    expect(trained.code).toBe(0);
    expect(trained.stdout).toContain(`Using the kernels listed in ${file}.`);
    const own = join(run, 'tunings.json');
    expect(JSON.parse(await readFile(own, 'utf8')).entries).toEqual(entries);
    const resumed = await runCommand(training(run, 2, '--resume'));
    expect(resumed.code).toBe(0);
    expect(resumed.stdout).toContain(`Using the kernels listed in ${own}.`);

    await writeFile(own, JSON.stringify({ ...content, adapter: 'Another GPU' }));
    const elsewhere = await runCommand(training(run, 3, '--resume'));
    expect(elsewhere.code).toBe(0);
    expect(elsewhere.stdout).not.toContain('Using');
  });

  it('are refused if they are from another adapter, truncated, or given twice', async () => {
    const file = join(directory, 'wrong-tunings.json');
    const run = join(directory, 'never-begun');
    await writeFile(file, JSON.stringify({ format: 1, adapter: 'Another GPU', driver: '', entries: {} }));
    const other = await runCommand(training(run, 1, '--tunings', file));
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/for the adapter "Another GPU"/);
    await writeFile(file, '{"format": 1, ');
    const torn = await runCommand(training(run, 1, '--tunings', file));
    expect(torn.code).toBe(1);
    expect(torn.stderr).toMatch(/truncated/);
    expect((await runCommand(training(run, 1, '--tunings', file, '--tune', 'quick'))).code).toBe(2);
    expect((await runCommand(training(run, 1, '--tune', 'fast'))).code).toBe(2);
    expect((await runCommand(['devices', '--to', file])).code).toBe(2);
    await expect(access(run)).rejects.toThrow(/ENOENT/);
  });
});

describe.skipIf(process.platform === 'win32')('Ctrl-C', () => {
  const ctrlCTwice = (apart: number) => `ctrl-c-twice.js?apart=${apart}`;

  it('finishes the step and saves, and the resumed run ends with the same weights', async () => {
    const [whole, stopped] = [join(directory, 'never-stopped'), join(directory, 'stopped')];
    const steps = 1_000_000;
    const recipe = await writeConstantRecipe(directory);
    // Two signals at once are one keystroke: npm forwards what the terminal has already sent.
    const running = startCommand(training(stopped, steps, '--recipe', recipe, ...one), { before: ctrlCTwice(0) });
    await untilMeasured(running, stopped);
    running.process.kill('SIGINT');
    const result = await running.ended;
    expect(result.code).toBe(130);
    expect(result.stdout).toMatch(/Finishing this step, then saving/);
    const [, command] = /Resume with: {2}npm run alexnet -- (.*)\n/.exec(result.stdout) ?? [];
    expect(command).toBe(`train --run ${stopped} --resume`);
    const [checkpoint] = await readdir(join(stopped, 'checkpoints'));
    const step = Number(/step-(\d+)/.exec(checkpoint!)![1]);
    expect(step).toBeLessThan(steps);
    await expect(access(join(stopped, 'weights.safetensors'))).rejects.toThrow(/ENOENT/);

    const end = step + 10;
    expect((await runCommand([...command!.split(' '), '--steps', `${end}`])).code).toBe(0);
    expect((await runCommand(training(whole, end, '--recipe', recipe, ...one))).code).toBe(0);
    const weights = (run: string) => readFile(join(run, 'weights.safetensors'));
    expect((await weights(stopped)).equals(await weights(whole))).toBe(true);
  });

  it('quits immediately the second time', async () => {
    const run = join(directory, 'quit');
    const running = startCommand(training(run, 1_000_000, '--tune', 'off', ...one), { before: ctrlCTwice(1000) });
    await untilMeasured(running, run);
    running.process.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
    expect(await readdir(join(run, 'checkpoints'))).toEqual([]);
  });
});

it('starts a run that --resume does not find', async () => {
  const run = join(directory, 'fresh');
  const variation = ['--no-random-crop', '--no-mirror', '--no-colour', '--chunk', '32'];
  const { code, stdout } = await runCommand(training(run, 1, '--resume', ...variation));
  expect(code).toBe(0);
  expect(stdout).not.toContain('Resuming');
  const { images } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
  expect(images).toMatchObject({ crop: 'centre', mirror: false, chunk: 32 });
  expect(images.colour).toBeUndefined();
});

it('draws an image next to its augmented versions', async () => {
  const [image, to] = [join(directory, 'photograph.png'), join(directory, 'augmented.png')];
  const side = 40;
  const pixels = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i * i) % 251);
  await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toFile(image);
  const augmenting = ['augment', image, '--to', to, '--size', `${side}`, '--crop', '32'];
  const { code, stdout } = await runCommand([...augmenting, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ image, to, variations: 16 });
  const drawn = sharp(to);
  // 40 pixels, then four times a gap of 8 and an image of 32.
  expect(await drawn.metadata()).toMatchObject({ format: 'png', width: 200, height: 152 });
  const part = (left: number, top: number, size: number) =>
    drawn.clone().extract({ left, top, width: size, height: size }).removeAlpha().raw().toBuffer();
  expect([...(await part(0, 0, side))]).toEqual([...pixels]);
  const tiles = new Set<string>();
  for (let i = 0; i < 16; i++)
    tiles.add((await part(48 + 40 * (i % 4), 40 * Math.floor(i / 4), 32)).toString('base64'));
  expect(tiles.size).toBe(16);

  const refused = await runCommand(['augment', image, '--to', join(directory, 'none', 'x.png')]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/^error: --to .*x\.png: there is no folder .*none; create it/);
});

it('shows the demo', async () => {
  const run = join(directory, 'demo');
  const { code, stdout, stderr } = await runCommand(['demo', '--run', run, '--steps', '2', '--classes', '3']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/top-1 error \d+\.\d% \(guessing: 66\.7%\), top-5 error/);
  expect(stdout.match(/^ {2}.+: .+ \(\d+\.\d%\), (right|wrong, it is: .+)$/gm)).toHaveLength(3);
  expect(stdout).toContain(`The run is in ${run}; see ${join(run, 'report.html')}`);
  expect(await readFile(join(run, 'report.html'), 'utf8')).toMatch(
    /^<!doctype html>[\s\S]*Learning[\s\S]*filters[\s\S]*Predictions/,
  );
  expect(stdout).toContain(`npm run alexnet -- evaluate --run ${run} --data emoji --views 10`);
  const evaluated = await runCommand(['evaluate', '--run', run, '--data', 'emoji', '--views', '10']);
  expect(evaluated.code).toBe(0);
  expect(evaluated.stdout).toMatch(/^3 validation images, 10 views each: top-1 error/);
});
