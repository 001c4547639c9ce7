import { findingsOf, type LearningDifference, type TaskReport } from './findings.js';

/** The loss of a single step depends more on its images than on the progress of training. */
const stepsPerPoint = 20;

/** The difference between the curves of the two precisions; undefined if one of them has no points. */
export function learningDifference(tasks: readonly TaskReport[]): LearningDifference | undefined {
  const learning = findingsOf(tasks, 'learning');
  const curve = (precision: string) => pointsOf(learning.find((one) => one.precision === precision)?.losses ?? []);
  const [float32, mixed] = [curve('float32'), curve('mixed')];
  const points = Math.min(float32.length, mixed.length);
  if (points === 0) return undefined;
  const differences = float32.slice(0, points).map((loss, point) => Math.abs(loss - mixed[point]!));
  return { stepsPerPoint, float32, mixed, largestDifference: Math.max(...differences) };
}

function pointsOf(losses: readonly number[]): number[] {
  return Array.from({ length: Math.floor(losses.length / stepsPerPoint) }, (_, point) => {
    const some = losses.slice(point * stepsPerPoint, (point + 1) * stepsPerPoint);
    return some.reduce((sum, loss) => sum + loss, 0) / stepsPerPoint;
  });
}
