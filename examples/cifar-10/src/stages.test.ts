import { fileURLToPath } from 'node:url';
import { readRecipe } from '@alex/trainer';
import { describe, expect, it } from 'vitest';
import { netNamed, nets, tasks } from './nets.js';
import { epochsAt, type Folders, placeStages, trainArguments } from './stages.js';

const folders: Folders = {
  all: { path: 'data/all', images: 50_000 },
  'four-fifths': { path: 'data/four-fifths', images: 39_936 },
};

const recipeOf = (name: string) =>
  readRecipe(fileURLToPath(new URL(`../../../packages/cli/recipes/${name}.json`, import.meta.url)));

const taskOf = (name: string) => ({ net: netNamed(name), seed: 1 });

describe('nets', () => {
  it.each(nets)('$name has the epochs and the rates of the recipe of its name', async ({ name, stages }) => {
    const { epochs, learningRate, schedule, batch } = await recipeOf(name);
    expect(stages.reduce((sum, stage) => sum + stage.epochs, 0)).toBe(epochs);
    expect(batch).toBe(128);
    if (schedule.kind !== 'step') throw new Error('cuda-convnet divided rates at given epochs');
    let epoch = 0;
    for (const stage of stages) {
      const drops = schedule.epochs.filter((drop) => drop <= epoch).length;
      if (stage.learningRate !== undefined) {
        expect(stage.learningRate).toBeCloseTo(learningRate * schedule.factor ** drops, 12);
      }
      epoch += stage.epochs;
    }
  });

  it('holds out a fifth if the recipe says that this was done in 2012', async () => {
    for (const { name, stages } of nets) {
      const { about } = await recipeOf(name);
      expect(stages.some(({ images }) => images === 'four-fifths')).toBe(/held out/.test(about ?? ''));
    }
  });

  it('evaluates at the ends of epochs, for both numbers of images', () => {
    for (const { evaluateEvery, stages } of nets) {
      for (const { images } of stages) {
        expect(evaluateEvery % Math.floor(folders[images].images / 128)).toBe(0);
      }
    }
  });

  it('are all trained to their ends', () => {
    const whole = tasks.filter(({ epochs }) => epochs === undefined).map(({ net }) => net.name);
    expect(new Set(whole)).toEqual(new Set(nets.map(({ name }) => name)));
  });
});

describe('placeStages', () => {
  it('counts steps by the images of each stage', () => {
    expect(placeStages(taskOf('cifar-13pct'), folders).map(({ end }) => end)).toEqual([31_200, 46_800, 50_700, 54_600]);
  });

  it('omits stages that a task does not reach', () => {
    const ends = (epochs: number) =>
      placeStages({ ...taskOf('cifar-13pct'), epochs }, folders).map((stage) => [stage.epochs, stage.end]);
    expect(ends(20)).toEqual([[20, 6240]]);
    expect(ends(100)).toEqual([[100, 31_200]]);
    expect(ends(101)).toEqual([
      [100, 31_200],
      [1, 31_590],
    ]);
  });
});

describe('epochsAt', () => {
  it('counts epochs for both numbers of images', () => {
    const stages = placeStages(taskOf('cifar-13pct'), folders);
    expect(epochsAt(stages, 0)).toBe(0);
    expect(epochsAt(stages, 156)).toBe(0.5);
    expect(epochsAt(stages, 31_200)).toBe(100);
    expect(epochsAt(stages, 31_200 + 390)).toBe(101);
    expect(epochsAt(stages, 54_600)).toBe(160);
  });
});

describe('trainArguments', () => {
  const argumentsOf = (name: string, index: number) => {
    const task = taskOf(name);
    const stage = placeStages(task, folders)[index]!;
    return trainArguments(task, stage, { run: 'RUN', folders, isFirst: index === 0 }).join(' ');
  };

  it('leaves the schedule to a recipe that has one', () => {
    expect(argumentsOf('cifar-80sec', 0)).toBe(
      'train --run RUN --resume --recipe cifar-80sec --seed 1 --data data/all --steps 3900 --evaluate-every 390 --checkpoint-every 100',
    );
  });

  it('adds the held-out images and lowers the learning rate, as was done by hand', () => {
    expect(argumentsOf('cifar-13pct', 0)).toMatch(
      /--data data\/four-fifths .*--schedule constant --learning-rate 0.001$/,
    );
    expect(argumentsOf('cifar-13pct', 1)).toMatch(
      /--data data\/all --steps 46800 .*--schedule constant --data-changed$/,
    );
    expect(argumentsOf('cifar-13pct', 3)).toMatch(/--steps 54600 .*--learning-rate 0.00001 --data-changed$/);
  });
});
