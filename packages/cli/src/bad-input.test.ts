import { execFileSync } from 'node:child_process';
import { access, cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { type CommandResult, runCommand, startCommand } from './testing/command.js';
import { png, writeImages } from './testing/images.js';

const directory = temporaryFolder();
let images: string;
/** A finished run, to be copied and damaged. */
let trained: string;
let count = 0;

beforeAll(async () => {
  images = join(directory, 'images');
  await writeImages(images, ['blue', 'green', 'red']);
  trained = join(directory, 'trained');
  const { code, stderr } = await runCommand(tinyTraining(trained));
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

/** The smallest possible training: a tiny network, two steps. */
function tinyTraining(run: string, ...more: string[]): string[] {
  return [
    'train',
    '--data',
    images,
    '--model',
    'small',
    '--crop',
    '24',
    '--batch',
    '4',
    '--steps',
    '2',
    '--run',
    run,
    ...more,
  ];
}

const newRun = () => join(directory, `run${count++}`);

/** A copy of the trained run, to be damaged. */
async function copyOfTrained(): Promise<string> {
  const run = newRun();
  await cp(trained, run, { recursive: true });
  return run;
}

/** One clear line, the exit code, and no internals of the program. */
function expectRefusal(result: CommandResult, code: 1 | 2, ...says: RegExp[]): void {
  const complaint = result.stderr.trimEnd();
  expect(complaint).toMatch(/^error: /);
  expect(complaint.split('\n')).toHaveLength(1);
  expect(result.stderr + result.stdout).not.toMatch(/\bat .*:\d+:\d+|node_modules|unexpected/);
  for (const text of says) expect(complaint).toMatch(text);
  expect(result.code).toBe(code);
}

async function expectNothing(path: string): Promise<void> {
  await expect(access(path)).rejects.toThrow(/ENOENT/);
}

describe('options that are not allowed', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown model', ['--model', 'alexnot'], /'alexnot' is unknown; choose one of paper, /],
    ['no classes', ['--classes', '0'], /--classes.*'0' is invalid.*at least 2/],
    ['another number of classes than there are', ['--classes', '5'], /classes is 5, but .* has 3 classes/],
    ['an empty batch', ['--batch', '0'], /--batch.*'0' is invalid.*at least 1/],
    [
      'a batch larger than the data',
      ['--batch', '500'],
      /--batch 500: there are only 21 training images; give at most 21/,
    ],
    ['a fraction of a batch', ['--batch', '2.5'], /--batch.*'2.5' is invalid/],
    ['negative steps', ['--steps', '-1'], /--steps.*'-1' is invalid.*at least 1/],
    ['no steps', ['--steps', '0'], /--steps.*'0' is invalid/],
    ['steps and epochs', ['--epochs', '2'], /--epochs.*cannot be used with.*--steps/],
    ['a learning rate that is not a number', ['--learning-rate', 'NaN'], /--learning-rate.*'NaN' is invalid.*above 0/],
    ['a hexadecimal learning rate', ['--learning-rate', '0x10'], /--learning-rate.*'0x10' is invalid/],
    ['an infinite learning rate', ['--learning-rate', 'Infinity'], /--learning-rate.*is invalid/],
    ['a chunk of no images', ['--chunk', '0'], /--chunk.*'0' is invalid.*at least 1/],
    ['a seed of more than 32 bits', ['--seed', '4294967296'], /--seed.*from 0 to 4294967295/],
    ['a crop larger than the images', ['--size', '20'], /crops of 24 x 24 do not fit images of 20 x 20/],
    ['an input that is too small', ['--crop', '1', '--size', '1'], /pool|conv/],
    ['an unknown adapter', ['--adapter', 'Voodoo2'], /there is no adapter Voodoo2; select one by .*0: /],
    ['an unknown option', ['--stepz', '2'], /unknown option '--stepz'/],
    ['an argument too many', ['more'], /too many arguments/],
  ])('%s', async (_, options, says) => {
    const run = newRun();
    expectRefusal(await runCommand(tinyTraining(run, ...options)), 2, says);
    await expectNothing(run);
  });

  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['traim'], /unknown command 'traim'/],
    ['no run', ['train', '--data', 'emoji'], /--run <dir>.* not specified/],
    ['a misspelt option before a missing one', ['train', '--rnu', 'never-made'], /unknown option '--rnu'/],
    ['no output path', ['augment', 'cat.jpg'], /--to <file>.* not specified/],
    ['no data', ['train', '--run', 'never-made'], /--data is missing: give a directory of images/],
    ['no images', ['classify', '--run', 'never-made'], /missing required argument 'image'/],
    ['a run that does not exist', ['evaluate', '--run', 'never-made'], /never-made: there is no run here/],
    ['a demo without classes', ['demo', '--run', 'never-made', '--classes', '0'], /--classes.*at least 2/],
    ['a demo of more classes than there are', ['demo', '--run', 'never-made', '--classes', '5000'], /classes is 5000/],
    [
      'a run where none can be, before anything is computed',
      ['train', '--run', join(process.execPath, 'run'), '--model', 'small', '--data', 'never-made'],
      /run: (cannot be a run directory|the run directory could not be created): /,
    ],
    [
      'a run with a name in Latin-1',
      ['train', '--run', 'caf\ufffd', '--data', 'emoji'],
      /--run <dir>': caf. is not in UTF-8/,
    ],
    [
      'an image with a name in Latin-1',
      ['classify', 'caf\ufffd.jpg', '--run', 'never-made'],
      /caf.\.jpg is not in UTF-8/,
    ],
    [
      'a run of a long name',
      ['train', '--run', 'a'.repeat(300), '--data', 'emoji'],
      /a{300}: cannot be a run directory: a name in the path is too long/,
    ],
    ['a run of no name', ['train', '--run', '', '--data', 'emoji'], /'--run <dir>' is empty; give it a value/],
    [
      'an option in the place of a run',
      ['train', '--data', 'emoji', '--run', '--resume'],
      /'--run <dir>' has the option --resume as its value/,
    ],
    ['data of no name', ['train', '--run', 'never-made', '--data', ' '], /'--data <dir>' is empty/],
    [
      'several runs, one by one',
      ['evaluate', '--run', 'a', '--run', 'b'],
      /Give several runs as one option, .*: --run a,b/,
    ],
    ['one run twice', ['compare', 'a', './a'], /\.\/a: is given twice; give each run once/],
    ['an image of no name', ['classify', '', '--run', 'a'], /argument 'image' is empty; give it a value/],
    [
      'nothing between two commas',
      ['evaluate', '--run', 'a,,b'],
      /--run a,,b: a directory is missing between two commas/,
    ],
    [
      'a list of an unknown adapter',
      ['devices', '--adapter', 'Voodoo2'],
      /there is no adapter Voodoo2; select one by .*0: /,
    ],
    [
      'a trace in no folder',
      ['train', '--run', 'never-made', '--data', 'emoji', '--trace', 'no/t.json'],
      /--trace no\/t\.json: there is no folder .*no; create it/,
    ],
    [
      'a trace that is a folder',
      ['train', '--run', 'never-made', '--data', 'emoji', '--trace', '.'],
      /--trace \.: is a folder; give the name of a file/,
    ],
    [
      'predictions that are a folder',
      ['evaluate', '--run', 'never-made', '--predictions', '.'],
      /--predictions \.: is a folder/,
    ],
    ['features that are a device', ['features', '--run', 'never-made', '--to', '/dev/null'], /--to \/dev\/null: /],
    ['features as a table', ['features', '--run', 'never-made', '--to', 'x.csv'], /--to x\.csv: must end in \.npy/],
    [
      'similar images as PNG',
      ['similar', 'a.png', '--run', 'never-made', '--to', 'x.png'],
      /x\.png: must end in \.svg/,
    ],
    ['a comparison as PNG', ['compare', 'never-made', '--to', 'x.png'], /x\.png: must end in \.html or \.htm/],
    ['a comparison in no folder', ['compare', 'never-made', '--to', 'no/x.html'], /there is no folder .*no; create it/],
    ['crops as JPEG', ['augment', 'cat.jpg', '--to', 'crops.jpg'], /crops\.jpg: must end in \.png/],
    ['a file called as a folder', ['filters', '--run', 'never-made', '--to', 'x/'], /--to x\/: is a folder/],
    ['crops in no folder', ['augment', 'cat.jpg', '--to', 'no/crops.png'], /--to no\/crops\.png: there is no folder/],
    [
      'an unknown kernel',
      ['kernel', 'convX', '--model', 'small'],
      /there is no kernel convX; `.* kernel --model small` lists all/,
    ],
    ['three views', ['evaluate', '--run', 'never-made', '--views', '3'], /--views.*Allowed choices are 1, 10/],
  ])('%s', async (_, args, says) => {
    expectRefusal(await runCommand(args, { directory }), 2, says);
    await expectNothing(join(directory, 'never-made'));
  });
});

it('an image that would be written over, and a device', async () => {
  const image = join(images, 'red', '0.png');
  const before = await readFile(image);
  const refused = await runCommand(['augment', image, '--to', image]);
  expectRefusal(refused, 2, /--to .*0\.png: is an input of this command; choose another name/);
  const index = ['--run', trained, '--build', '--index', image];
  expectRefusal(
    await runCommand(['similar', ...index]),
    2,
    /--index .*0\.png: is not an index .*; remove it, or choose/,
  );
  expect(await readFile(image)).toEqual(before);
  const device = await runCommand(['evaluate', '--run', trained, '--predictions', '/dev/null']);
  expectRefusal(device, 2, /--predictions \/dev\/null: is a device or a pipe; give the name of a file/);
});

describe('data that cannot be used', () => {
  it('one class', async () => {
    const data = join(directory, 'one-class');
    await writeImages(data, ['red']);
    const run = newRun();
    expectRefusal(
      await runCommand(tinyTraining(run, '--data', data)),
      1,
      /only one class folder, red: it needs at least two/,
    );
    await expectNothing(run);
  });

  it('no images', async () => {
    const data = join(directory, 'no-images');
    await mkdir(join(data, 'blue'), { recursive: true });
    await mkdir(join(data, 'red'));
    const run = newRun();
    expectRefusal(
      await runCommand(tinyTraining(run, '--data', data)),
      1,
      /blue has no images; red has none either: put files/,
    );
    await expectNothing(run);
  });

  it('an empty folder, and none at all', async () => {
    const data = join(directory, 'empty');
    await mkdir(data);
    const run = newRun();
    expectRefusal(
      await runCommand(tinyTraining(run, '--data', data)),
      1,
      /empty contains nothing, but no supported data: give/,
    );
    expectRefusal(
      await runCommand(tinyTraining(run, '--data', join(data, 'x'))),
      1,
      /there is no folder .*x: check the path/,
    );
    await expectNothing(run);
  });

  it('a text file called .JPEG', async () => {
    const data = join(directory, 'text');
    await writeImages(data, ['blue', 'red']);
    await writeFile(join(data, 'red', 'poem.JPEG'), 'Roses are red\n');
    const run = newRun();
    expectRefusal(
      await runCommand(tinyTraining(run, '--data', data)),
      1,
      /1 of 17 images cannot be used, more than 0\.1%; for example red.poem\.JPEG \(it is text\)\. .*rejected\.jsonl lists them: replace or remove/,
    );
    await expectNothing(run);
  });

  it('a truncated image', async () => {
    const data = join(directory, 'cut');
    await writeImages(data, ['blue', 'red']);
    await writeFile(join(data, 'red', '3.png'), png(200, 0, 0, 256).subarray(0, 60));
    const run = newRun();
    expectRefusal(
      await runCommand(tinyTraining(run, '--data', data)),
      1,
      /for example red.3\.png \(it cannot be decoded \(.*\)\)\. .*replace or remove them, or allow more with --max-rejected 6\.25%/,
    );
    await expectNothing(run);
  });

  it('truncated files of CIFAR-10', async () => {
    const data = join(directory, 'cifar');
    await mkdir(data);
    const names = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
    await writeFile(join(data, 'batches.meta.txt'), `${names.join('\n')}\n`);
    for (const file of [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`))
      await writeFile(join(data, file), Buffer.alloc(5000, Number(/\d/.exec(file)![0])));
    await writeFile(join(data, 'test_batch.bin'), Buffer.alloc(5000, 6));
    const run = newRun();
    const refused = await runCommand(['train', '--data', data, '--model', 'cifar-80sec', '--run', run]);
    expectRefusal(refused, 1, /data_batch_1\.bin has 5,000 bytes, expected 30,730,000/);
    await expectNothing(run);
  });
});

describe('paths that cannot be a run', () => {
  it('a run directory that exists', async () => {
    const run = await copyOfTrained();
    const before = await readdir(run, { recursive: true });
    const config = await readFile(join(run, 'config.json'));
    expectRefusal(
      await runCommand(tinyTraining(run)),
      2,
      /already contains a run; resume it with .*--resume.*, or choose another --run/,
    );
    expectRefusal(await runCommand(['demo', '--run', run]), 2, /already contains a run/);
    expect(await readdir(run, { recursive: true })).toEqual(before);
    expect(await readFile(join(run, 'config.json'))).toEqual(config);
  });

  it('a directory with other content', async () => {
    for (const more of [[], ['--resume']]) {
      expectRefusal(await runCommand(tinyTraining(images, ...more)), 2, /contains files but no run.*choose another/);
    }
    expect((await readdir(images)).sort()).toEqual(['blue', 'green', 'red']);
  });

  it('a path below a file', async () => {
    const file = join(directory, 'file');
    await writeFile(file, 'mine');
    for (const run of [file, join(file, 'run')]) {
      expectRefusal(await runCommand(tinyTraining(run)), 2, /file.*a part of the path is a file/);
    }
    expect(await readFile(file, 'utf8')).toBe('mine');
  });

  it.runIf(process.platform === 'linux')('a current folder that was removed', async () => {
    const gone = join(directory, 'gone');
    const shell = (command: string) => `mkdir '${gone}' && cd '${gone}' && rmdir '${gone}' && ${command}`;
    expectRefusal(
      await startCommand(['devices'], { shell }).ended,
      1,
      /started in is not there any more; change to another/,
    );
  });

  it.runIf(process.platform === 'linux')('a path without write permission', async () => {
    const refused = await runCommand(tinyTraining('/proc/alex-run'));
    expectRefusal(refused, 2, /\/proc\/alex-run: the run directory could not be created: .*(check|choose|change)/);
  });

  it('a disk that fills up', async () => {
    const run = newRun();
    const refused = await startCommand(tinyTraining(run, '--batch', '1'), { before: 'full-disk.js' }).ended;
    expectRefusal(refused, 1, /safetensors: could not be written: no space is left on the disk; free some/);
    await expectNothing(run);
  });

  const mayMount = process.platform === 'linux' && process.getuid?.() === 0;
  it.runIf(mayMount)('a small disk', async ({ skip }) => {
    const disk = join(directory, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      skip('this user may not mount a small disk');
    }
    try {
      const refused = await runCommand(tinyTraining(join(disk, 'run')));
      expectRefusal(refused, 1, /safetensors: could not be written: no space is left on the disk; free some/);
      expect(await readdir(disk)).toEqual([]);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('damaged runs', () => {
  it('truncated weights', async () => {
    const run = await copyOfTrained();
    await truncate(join(run, 'weights.safetensors'), 1000);
    expectRefusal(
      await runCommand(['evaluate', '--run', run]),
      1,
      /weights\.safetensors: not a usable weights file: .*/,
    );
    expectRefusal(
      await runCommand(['classify', '--run', run, join(images, 'red', '0.png')]),
      1,
      /weights\.safetensors: not a usable weights file/,
    );
  });

  it('weights of another network', async () => {
    const run = await copyOfTrained();
    const config = await readFile(join(run, 'config.json'), 'utf8');
    await writeFile(
      join(run, 'config.json'),
      config.replace('"inputSize": 24', '"inputSize": 32').replace(/"(height|width)": \d+/g, '"$1": 40'),
    );
    expectRefusal(
      await runCommand(['evaluate', '--run', run]),
      1,
      /weights do not fit its config\.json: .*fc5\.weight/,
    );
  });

  it('missing weights', async () => {
    const run = await copyOfTrained();
    await rm(join(run, 'weights.safetensors'));
    await rm(join(run, 'checkpoints'), { recursive: true });
    expectRefusal(await runCommand(['evaluate', '--run', run]), 1, /has no trained weights yet .*; train it first/);
  });

  it('a truncated configuration', async () => {
    const run = await copyOfTrained();
    await truncate(join(run, 'config.json'), 100);
    for (const args of [['evaluate', '--run', run], tinyTraining(run, '--resume')]) {
      expectRefusal(await runCommand(args), 1, /config\.json: is not JSON/);
    }
  });

  it('a truncated checkpoint', async () => {
    const run = await copyOfTrained();
    await truncate(join(run, 'checkpoints', 'step-00000002.safetensors'), 1000);
    expectRefusal(
      await runCommand(tinyTraining(run, '--resume', '--steps', '3')),
      1,
      /step-00000002\.safetensors: not a usable/,
    );
  });

  it('a run that was started by another command', async () => {
    for (const [option, other, own] of [
      ['--batch', '5', '4'],
      ['--chunk', '32', '1'],
    ] as const) {
      const refused = await runCommand(tinyTraining(trained, '--resume', option, other));
      expectRefusal(refused, 2, new RegExp(`${option} ${other} cannot be changed .* started with ${own}; omit it`));
    }
  });

  it('data with other classes', async () => {
    const data = join(directory, 'others');
    await writeImages(data, ['blue', 'red', 'yellow']);
    expectRefusal(
      await runCommand(['evaluate', '--run', trained, '--data', data]),
      2,
      /has 3 classes .*yellow.*use data with the same/,
    );
  });

  it('a file that is not an image', async () => {
    const text = join(directory, 'poem.jpg');
    await writeFile(text, 'Violets are blue\n');
    expectRefusal(await runCommand(['classify', '--run', trained, text]), 1, /poem\.jpg cannot be read as an image/);
    expectRefusal(
      await runCommand(['classify', '--run', trained, `${text}x`]),
      1,
      /poem\.jpgx cannot be read as an image: there is no such file; check the path/,
    );
  });

  it('a mix of a single run', async () => {
    const mixed = await runCommand(['evaluate', '--run', trained, '--mix', 'search']);
    expectRefusal(mixed, 2, /--mix search: there is only one run; give several to --run, with commas between/);
  });

  it('among images to classify is reported, and the others are classified', async () => {
    const [text, red, blue] = [
      join(directory, 'poem.png'),
      join(images, 'red', '0.png'),
      join(images, 'blue', '0.png'),
    ];
    await writeFile(text, 'no image');
    const some = await runCommand(['classify', red, text, blue, '--run', trained]);
    expect(some.code).toBe(1);
    expect(some.stdout).toMatch(/red\/0\.png\n +\d.*\n.*blue\/0\.png\n +\d/s);
    expect(some.stderr).toMatch(/^error: .*poem\.png cannot be read as an image.*\n$/);
    const json = await runCommand(['classify', red, text, blue, '--run', trained, '--json']);
    expect(json.code).toBe(1);
    const [first, second, third] = JSON.parse(json.stdout);
    expect([first.labels.length, third.labels.length]).toEqual([3, 3]);
    expect(second).toEqual({ image: text, error: expect.stringContaining('cannot be read as an image') });
  });
});

it('a loss that is no longer a number', async () => {
  const run = newRun();
  const refused = await runCommand(tinyTraining(run, '--steps', '20', '--learning-rate', '1e20'));
  expectRefusal(
    refused,
    1,
    /the loss became .* at step \d+: training diverged; start a new run with a lower learning rate .* it started in .*divergence\.json has/,
  );
  expect(await readdir(run)).toContain('divergence.json');
});
