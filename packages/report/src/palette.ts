/**
 * All colours of the images, for light and dark backgrounds. Images are drawn in the light ones, with a style that
 * replaces each by its dark counterpart for readers who prefer that; so no two light colours may be equal.
 */
const colours = {
  surface: ['#ffffff', '#0d1117'],
  ink: ['#1f2328', '#f0f3f6'],
  muted: ['#656d76', '#9198a1'],
  grid: ['#e6e9ed', '#262c36'],
  train: ['#2f6fde', '#6ea8fe'],
  trainFaint: ['#c9dafa', '#20375c'],
  val: ['#c2470a', '#ff9248'],
  mark: ['#b9c0c8', '#4b535d'],
  // As in figure 4 of the paper.
  right: ['#f5a3ab', '#8c2f3b'],
  done: ['#8fdcab', '#1c6b3a'],
  track: ['#f4f6f8', '#171c24'],
  wrong: ['#e1e4e9', '#30363e'],
  face: ['#eef3fc', '#16233b'],
  faceTop: ['#e0e9f9', '#1b2c4a'],
  faceSide: ['#d2dff6', '#213558'],
  line: ['#5b7bb4', '#7d9dd8'],
  window: ['#fbd9c3', '#6b3a17'],
  // For several runs, after those of `train` and `val`: distinguishable with colour blindness, too.
  run3: ['#0f1478', '#f7e02e'],
  run4: ['#5c0a0a', '#c9d6f0'],
  run5: ['#8a6a74', '#a08080'],
  run6: ['#26092b', '#2ee6ac'],
} as const satisfies Record<string, readonly [light: string, dark: string]>;

type ColourName = keyof typeof colours;

const names = Object.keys(colours) as ColourName[];

/** The light colours, by purpose. */
export const palette = Object.fromEntries(names.map((name) => [name, colours[name][0]])) as Record<ColourName, string>;

/** The colours of compared runs, in their order; beyond these, colours repeat and dashes differ. */
export const runColours = [palette.train, palette.val, palette.run3, palette.run4, palette.run5, palette.run6] as const;

/** Colours of text and its background; tests check these and the runs' colours for WCAG's contrast. */
export const textColours: readonly ColourName[] = ['ink', 'muted', 'train', 'val', 'run3', 'run4', 'run5', 'run6'];
export { colours };

/** CSS that swaps colours inside an image. */
export const darkImageStyle = darkOnly(
  names
    .map((name) => colours[name])
    .flatMap(([light, dark]) => ['fill', 'stroke'].map((paint) => `[${paint}="${light}"]{${paint}:${dark}}`))
    .join(''),
);

/** CSS that declares `--surface`, `--ink` and so on for a page. */
export const pageColours = `:root{color-scheme:light dark;${declarations(0)}}` + darkOnly(`:root{${declarations(1)}}`);

function declarations(theme: 0 | 1): string {
  return names.map((name) => `--${name}:${colours[name][theme]}`).join(';');
}

function darkOnly(rules: string): string {
  // Paper is white in both colour schemes.
  return `@media screen and (prefers-color-scheme:dark){${rules}}`;
}
