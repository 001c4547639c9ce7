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
  val: ['#e8590c', '#ff9248'],
  mark: ['#b9c0c8', '#4b535d'],
  right: ['#8fdcab', '#1c6b3a'],
  track: ['#f4f6f8', '#171c24'],
  wrong: ['#e1e4e9', '#30363e'],
} as const satisfies Record<string, readonly [light: string, dark: string]>;

type ColourName = keyof typeof colours;

const names = Object.keys(colours) as ColourName[];

/** The light colours, by purpose. */
export const palette = Object.fromEntries(names.map((name) => [name, colours[name][0]])) as Record<ColourName, string>;

/** CSS that replaces colours inside an image. */
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
  return `@media (prefers-color-scheme:dark){${rules}}`;
}
