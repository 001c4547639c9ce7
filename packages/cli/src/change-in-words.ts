import type { RecipeChange } from '@alex/trainer';

/** A learning rate in a readable format. */
export const rate = (value: number) => String(Number(value.toPrecision(4)));

/** `from step 500 on: learning rate 0.001 instead of 0.01`. */
export function changeInWords({ step, learningRate, schedule, steps }: RecipeChange): string {
  const changes = [
    ...(learningRate ? [`learning rate ${rate(learningRate.after)} instead of ${rate(learningRate.before)}`] : []),
    ...(schedule ? [`schedule ${JSON.stringify(schedule)}`] : []),
    ...(steps ? [`${steps.after} instead of ${steps.before} steps in all`] : []),
  ];
  return `from step ${step} on: ${changes.join(', ')}`;
}
