import { cp, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { runCommand } from '../testing/command.js';
import { writeImages } from '../testing/images.js';

const directory = temporaryFolder();

/** The commands in a report that reproduce the run. */
function commandsIn(html: string): string[][] {
  const [, section] = html.split('<section id="again"');
  const blocks = [...section!.matchAll(/<pre><code>([\s\S]*?)<\/code><\/pre>/g)].map(([, text]) => text!);
  // The last is a file, not a command. Nothing here needs quotes.
  return blocks.slice(0, -1).flatMap((block) => block.split('\n').map((line) => line.split(' ')));
}

/** The words after the program, however it was called: `npm run alexnet -- train ...`. */
const withoutProgram = (words: readonly string[]) =>
  words.slice(words.findIndex((word) => /^(train|evaluate|report)$/.test(word)));

const weightsOf = (run: string) => readFile(join(directory, run, 'weights.safetensors'));

let html: string;
let evaluations: unknown;

beforeAll(async () => {
  await writeImages(join(directory, 'images'), ['blue', 'green', 'red']);
  const model = ['--model', 'small', '--crop', '24', '--batch', '4', '--tune', 'off'];
  const first = ['train', '--data', 'images', ...model, '--run', 'runs/mine', '--steps', '4', '--seed', '7'];
  for (const words of [
    first,
    ['train', '--run', 'runs/mine', '--resume', '--steps', '6', '--learning-rate', '0.002'],
  ]) {
    const { code, stderr } = await runCommand(words, { directory });
    expect(code, stderr).toBe(0);
  }
  const reported = await runCommand(['report', '--run', 'runs/mine', '--views', '10', '--json'], { directory });
  expect(reported.code, reported.stderr).toBe(0);
  ({ evaluations } = JSON.parse(reported.stdout));
  html = await readFile(join(directory, 'runs/mine/report.html'), 'utf8');
});

describe('a report of a trained run', () => {
  it('shows the measured errors with ten views, filters and predictions', () => {
    expect(evaluations).toMatchObject([{ views: 10, images: 3, top1Error: expect.any(Number) }]);
    const [{ top1Error }] = evaluations as [{ top1Error: number }];
    expect(html).toContain(`<th scope="row">this run (small), 10 views</th><td>${(100 * top1Error).toFixed(1)}%</td>`);
    expect(html).toContain(
      'alt="The 32 filters of the first layer, 5 × 5 each; those of the 2 columns one below the other"',
    );
    expect(html.match(/<ol class="guesses">/g)).toHaveLength(3);
  });

  it('has commands that make the run again, bit for bit: those that were given, and those from its configuration', async () => {
    const commands = commandsIn(html);
    const trainings = commands.filter((words) => words.includes('train'));
    expect(trainings).toHaveLength(3);
    const again = trainings.pop()!;
    const wanted = await weightsOf('runs/mine');
    await rename(join(directory, 'runs/mine'), join(directory, 'runs/kept'));
    for (const words of trainings) {
      const { code, stderr } = await runCommand(withoutProgram(words), { directory });
      expect(code, stderr).toBe(0);
    }
    expect((await weightsOf('runs/mine')).equals(wanted)).toBe(true);

    const made = commands.find(([program]) => program === 'mkdir')!.at(-1)!;
    const copied = commands.find(([program]) => program === 'cp' || program === 'copy')!.slice(1);
    await mkdir(join(directory, made));
    for (const file of copied.slice(0, -1))
      await cp(join(directory, file), join(directory, made, file.split('/').at(-1)!));
    const { code, stderr } = await runCommand(withoutProgram(again), { directory });
    expect(code, stderr).toBe(0);
    expect((await weightsOf(made)).equals(wanted)).toBe(true);
  });

  it('has commands that evaluate it', async () => {
    const others = commandsIn(html).filter((words) => words.includes('evaluate'));
    expect(others.map((words) => words.includes('10'))).toEqual([false, true]);
    for (const words of others) {
      const { code, stderr } = await runCommand(withoutProgram(words), { directory });
      expect(code, stderr).toBe(0);
    }
  });
});

it('a run whose images are missing has a report without predictions, unless they are requested', async () => {
  await rename(join(directory, 'images'), join(directory, 'moved'));
  try {
    const { code, stdout } = await runCommand(['report', '--run', 'runs/mine'], { directory });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /The report shows no predictions: .*images.* If the images have moved, give their new location as --data\./,
    );
    const report = await readFile(join(directory, 'runs/mine/report.html'), 'utf8');
    expect(report).toContain('<section id="filters"');
    expect(report).not.toContain('<section id="predictions"');
    expect((await runCommand(['report', '--run', 'runs/mine', '--views', '1'], { directory })).code).toBe(1);
    expect((await runCommand(['report', '--run', 'runs/mine', '--data', 'moved'], { directory })).code).toBe(0);
  } finally {
    await rename(join(directory, 'moved'), join(directory, 'images'));
  }
});
