/** What a visitor can change. */
export interface Settings {
  readonly activation: 'relu' | 'tanh';
  readonly normalization: boolean;
  /** Windows of three pixels, two apart, as in section 3.4 of the paper; else of two. */
  readonly overlapping: boolean;
  readonly dropout: boolean;
  readonly learningRate: number;
  readonly batch: number;
  readonly classes: number;
  readonly seed: number;
}

/** The demo's, with a smaller batch: a page is watched from its first second. */
export const usualSettings: Settings = {
  activation: 'relu',
  normalization: true,
  overlapping: true,
  dropout: true,
  learningRate: 0.01,
  batch: 16,
  classes: 12,
  seed: 1,
};

/** The least and the greatest value of each number. */
export const ranges = {
  learningRate: [0, 1],
  batch: [1, 128],
  classes: [2, 24],
  seed: [0, 2 ** 32 - 1],
} as const;

type NumberName = keyof typeof ranges;

/** What an address after `#` says, and the usual settings for everything else, also for what cannot be. */
export function settingsOf(fragment: string): Settings {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const flag = (name: 'normalization' | 'overlapping' | 'dropout') =>
    given.has(name) ? given.get(name) === 'yes' : usualSettings[name];
  const number = (name: NumberName) => {
    const value = Number(given.get(name) ?? Number.NaN);
    const [least, most] = ranges[name];
    const fits = value >= least && value <= most && (name === 'learningRate' || Number.isInteger(value));
    return fits ? value : usualSettings[name];
  };
  return {
    activation: given.get('activation') === 'tanh' ? 'tanh' : 'relu',
    normalization: flag('normalization'),
    overlapping: flag('overlapping'),
    dropout: flag('dropout'),
    learningRate: number('learningRate'),
    batch: number('batch'),
    classes: number('classes'),
    seed: number('seed'),
  };
}

/** The fragment of an address that {@link settingsOf} reads; empty for the usual settings. */
export function fragmentOf(settings: Settings): string {
  const words = Object.entries(settings)
    .filter(([name, value]) => value !== usualSettings[name as keyof Settings])
    .map(([name, value]) => [name, typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)]);
  return new URLSearchParams(words as [string, string][]).toString();
}
