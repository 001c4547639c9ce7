import type { Facts } from '@alex/report';
import type { RunConfig } from '@alex/trainer';
import { rate } from '../change-in-words.js';

/** A run's recipe, images and data, as a table shows them. */
export function settingsOf({ model, data, recipe, images }: RunConfig): Facts {
  const { fingerprint } = data;
  return {
    network: model.variant,
    'network input': `${model.inputSize} × ${model.inputSize}`,
    data: `${data.name} (${data.source})`,
    'stored images': `${data.width} × ${data.height}, ${data.channels === 1 ? 'grey' : `${data.channels} channels`}`,
    ...(fingerprint && {
      'training images': fingerprint.train.images.toLocaleString('en-US'),
      'validation images': fingerprint.validation.images.toLocaleString('en-US'),
    }),
    classes: data.classes.length,
    batch: recipe.batch + (recipe.microBatch === undefined ? '' : `, by ${recipe.microBatch}`),
    steps: recipe.steps.toLocaleString('en-US'),
    seed: recipe.seed,
    precision: recipe.precision ?? 'float32',
    'learning rate': rate(recipe.learningRate),
    schedule: scheduleInWords(recipe.schedule),
    ...(recipe.schedules && {
      'other schedules': Object.entries(recipe.schedules)
        .map(([name, schedule]) => `${name}: ${scheduleInWords(schedule)}`)
        .join('; '),
    }),
    ...(recipe.warmUp && {
      'warm-up': `over ${recipe.warmUp.epochs} epochs, from ${rate(recipe.warmUp.from)} of the rate`,
    }),
    momentum: recipe.momentum,
    'weight decay': recipe.weightDecay,
    ...(recipe.overrides && {
      'of some parameters': Object.entries(recipe.overrides)
        .map(([name, override]) => `${name}: ${overrideInWords(override)}`)
        .join('; '),
    }),
    crop:
      images.crop + (images.chunk === undefined || images.chunk === 1 ? '' : `, one for ${images.chunk} neighbours`),
    mirror: images.mirror ? 'half of the crops' : 'none',
    'colour shifts': images.colour
      ? recipe.colourStrength
        ? recipe.colourStrength.map(([epoch, strength]) => `${strength} from epoch ${epoch}`).join(', ')
        : images.colour.strength
      : 'none',
    'subtracted from images': images.meanImage === undefined ? 'the mean colour' : 'the mean image',
    ...(images.scale !== 1 && { 'divided by': images.scale }),
    ...(images.padding > 0 && { border: `${images.padding} pixels` }),
  };
}

type Schedule = RunConfig['recipe']['schedule'];

/** A schedule in words. */
export function scheduleInWords(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'step':
      return schedule.epochs.length === 0
        ? 'constant'
        : `times ${rate(schedule.factor)} at epochs ${schedule.epochs.join(', ')}`;
    case 'table':
      return schedule.factors.map(([epoch, factor]) => `times ${rate(factor)} from epoch ${epoch}`).join(', ');
    case 'exponential':
      return (
        `divided by ${rate(schedule.factor)} in total, in ${schedule.steps - 1} equal ratios over ` +
        (schedule.epochs === undefined ? 'the run' : `${schedule.epochs} epochs`)
      );
    case 'plateau':
      return (
        `times ${rate(schedule.factor)} after ${schedule.patience} evaluations without gain ` +
        `(of ${schedule.threshold}), ${schedule.drops} times at most`
      );
  }
}

function overrideInWords(override: NonNullable<RunConfig['recipe']['overrides']>[string]): string {
  const { learningRateScale, momentum, weightDecay } = override;
  return [
    ...(learningRateScale === undefined ? [] : [`rate times ${learningRateScale}`]),
    ...(momentum === undefined ? [] : [`momentum ${momentum}`]),
    ...(weightDecay === undefined ? [] : [`weight decay ${weightDecay}`]),
  ].join(', ');
}
