import { ConfigError } from '@alex/tensor';
import { type MixGoal, mixGoals } from '@alex/trainer';
import { decimal } from './options.js';

/** How to weight the predictions of several networks. */
export type MixOption =
  | { readonly kind: 'equal' }
  | { readonly kind: 'fixed'; readonly weights: readonly number[] }
  | { readonly kind: 'search'; readonly goal: MixGoal };

/** Parses `--mix`: `equal`, `search`, `search:GOAL`, or a weight for each run. */
export function parseMix(text: string | undefined, runs: number): MixOption {
  if (text === undefined) return { kind: 'equal' };
  if (runs === 1)
    throw new ConfigError(`--mix ${text}: there is only one run; give several to --run, with commas between`);
  if (text === 'equal') return { kind: 'equal' };
  const [, goal = 'top5'] = /^search(?::(\w+))?$/.exec(text) ?? [undefined, ''];
  if (mixGoals.includes(goal as MixGoal)) return { kind: 'search', goal: goal as MixGoal };
  const weights = text.split(',').map(decimal);
  if (weights.length === runs && weights.every((weight) => weight >= 0 && weight < Infinity) && weights.some(Boolean)) {
    return { kind: 'fixed', weights };
  }
  throw new ConfigError(
    `--mix ${text}: give equal, search, ${mixGoals.map((name) => `search:${name}`).join(', ')}, or ${runs} numbers ` +
      'separated by commas, one for each run',
  );
}
