import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { predictAlone, predictSteps } from '@alex/multi-gpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { photograph, smallImagenet, writeFiles } from '../../data/src/prepare/testing.js';
import { runCommand } from './testing/command.js';

const directory = temporaryFolder();
let page: string;

beforeAll(async () => {
  page = await readFile(new URL('../../../docs/imagenet.md', import.meta.url), 'utf8');
});

describe('hours', () => {
  const batch = 128;
  const images = 90 * 1_281_167;
  const paper = alexnet();
  const multiplyAdds = predictAlone(paper, 1, 1);

  /**
   * The fractions of its published rates that the H200 reached: 12.1 ms of products, 1.25 ms of everything else
   * (docs/gpu-kernels.md).
   */
  const products = {
    flop: 2 * batch * multiplyAdds,
    bytes: 5.61e9,
    share: (2 * batch * multiplyAdds) / (12.1e-3 * 66.9e12),
  };
  const others = { bytes: 3.02e9, share: 3.02e9 / (1.25e-3 * 4.8e12) };
  /** Decoded on one of two cores (docs/data.md). */
  const decodedPerCore = 568 / 2;

  it('are based on the products of a step, and on the fractions that the page gives', () => {
    expect(page).toContain(`2 x 128 x ${multiplyAdds.toLocaleString('en-US')} multiply-adds`);
    expect(page).toContain(
      `larger of (${Math.round(products.flop / 1e9)} GFLOP / (${products.share.toFixed(3)} F), 5.61 GB / (${others.share.toFixed(3)} W)) + 3.02 GB / (${others.share.toFixed(3)} W)`,
    );
  });

  it('are computed as the page says, for every card of its table', () => {
    const rows = page
      .split('<!-- hours -->')[1]!
      .split('<!-- end -->')[0]!
      .trim()
      .split('\n')
      .slice(2)
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(rows.length).toBeGreaterThan(8);
    const computed = rows.map(([card, peak, bandwidth]) => {
      const [flops, bytes] = [Number(peak) * 1e12, Number(bandwidth!.replace(',', '')) * 1e9];
      const seconds =
        Math.max(products.flop / (products.share * flops), products.bytes / (others.share * bytes)) +
        others.bytes / (others.share * bytes);
      const rate = batch / seconds;
      const rates = Array.from({ length: 2 }, () => (products.share * flops) / 2);
      const alone = predictAlone(paper, 2 * batch, rates[0]!);
      const hybrid = predictSteps(paper, {
        batch: 2 * batch,
        rates: { multiplyAddsPerSecond: rates, exchangeBytesPerSecond: 10e9, exchangeSeconds: 0 },
      }).find(({ strategy }) => strategy === 'hybrid')!;
      const two = rate * Math.min(2, alone / hybrid.seconds);
      const count = (value: number) => Number(value.toPrecision(2)).toLocaleString('en-US');
      const hours = (perSecond: number) => (images / perSecond / 3600).toPrecision(2);
      return [
        card,
        peak,
        bandwidth,
        count(rate),
        hours(rate),
        count(two),
        hours(two),
        String(Math.ceil(rate / decodedPerCore)),
      ];
    });
    expect(rows.map((cells) => cells.join(' | '))).toEqual(computed.map((cells) => cells.join(' | ')));
  });
});

/** The commands of the page, without the program. */
function commandsOf(text: string): string[][] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)];
  const lines = blocks.flatMap(([, block]) => block!.trim().split('\n'));
  return lines.flatMap((line) => (line.startsWith('npx alexnet ') ? [line.split(' ').slice(2)] : []));
}

/** A recipe that comes with the command, for the small network. */
async function writeSmallRecipe(name: string): Promise<void> {
  const recipe = JSON.parse(await readFile(new URL(`../recipes/${name}.json`, import.meta.url), 'utf8'));
  const { startsFrom } = recipe;
  const small = {
    ...recipe,
    model: { variant: 'small', inputSize: 24 },
    images: { ...recipe.images, scale: 64 },
    ...(startsFrom && { startsFrom: { ...startsFrom, replaces: ['fc6'] } }),
  };
  await writeFile(join(directory, `${name}.json`), JSON.stringify(small));
}

/** The same command, for a network and images that are small enough for a test. */
function shortened([command, ...words]: readonly string[]): string[] {
  const without = (option: string, values: number) => {
    const at = words.indexOf(option);
    if (at >= 0) words.splice(at, 1 + values);
  };
  if (command === 'prepare') return ['prepare', ...words, '--size', '32'];
  // Two networks are an ensemble.
  if (command === 'evaluate') return ['evaluate', ...words.map((word) => word.replace(/,.*,/, ','))];
  if (command !== 'train' || words.includes('--resume'))
    return [command!, ...words.filter((word) => word !== '--dashboard')];
  // Tuning takes its time, and has tests of its own.
  for (const [option, values] of [
    ['--tunings', 1],
    ['--dashboard', 0],
    ['--steps', 1],
  ] as const)
    without(option, values);
  const given = words.flatMap((word, at) => {
    if (words[at - 1] === '--recipe') return [`./${word}.json`];
    return words[at - 1] === '--model' ? ['small', '--crop', '24'] : [word];
  });
  return ['train', ...given, '--batch', '4', '--steps', '2', '--tune', 'off'];
}

/** A key that is the same for training commands that differ only in numbers. */
const withoutNumbers = (words: readonly string[]) => words.join(' ').replace(/\d+/g, 'N');
const runOf = (words: readonly string[]) => join(directory, words[words.indexOf('--run') + 1]!);

it('has commands that work, one after the other', async () => {
  await writeFiles(join(directory, 'downloads'), await smallImagenet());
  await Promise.all(['six-conv-pretrain', 'six-conv-finetune'].map(writeSmallRecipe));
  // Class folders, for the larger data set.
  for (const [number, name] of ['n1', 'n2', 'n3', 'n4'].entries()) {
    const [a, b] = await Promise.all(
      [0, 1].map((i) =>
        photograph(2 * number + i)
          .jpeg()
          .toBuffer(),
      ),
    );
    await writeFiles(join(directory, 'imagenet-21k', name), { 'a.jpg': a!, 'b.jpg': b! });
  }
  const commands = commandsOf(page).filter(([command]) => command !== 'devices');
  expect(commands.map(([command]) => command)).toContain('compare');
  const trained = new Map<string, string>();
  for (const words of commands) {
    const same = words.includes('--seed') ? trained.get(withoutNumbers(words)) : undefined;
    if (same !== undefined) {
      await cp(same, runOf(words), { recursive: true });
      continue;
    }
    const { code, stderr } = await runCommand(shortened(words), { directory });
    expect(code, `${words.join(' ')}\n${stderr}`).toBe(0);
    if (words.includes('--seed')) trained.set(withoutNumbers(words), runOf(words));
  }
});
