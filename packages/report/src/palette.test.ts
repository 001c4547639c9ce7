import { describe, expect, it } from 'vitest';
import { strokeOf } from './overlay.js';
import { colours, runColours, textColours } from './palette.js';

type Triple = [number, number, number];

/** sRGB to linear light. */
function linear(hex: string): Triple {
  return [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

const times = (matrix: readonly Triple[], vector: Triple) =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i]!, 0)) as Triple;

/** WCAG 2.2, contrast ratio. */
function contrast(a: string, b: string): number {
  const [high, low] = [a, b]
    .map((hex) => linear(hex).reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i]!, 0))
    .sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

/** How a colour looks with colour blindness (Machado, Oliveira, Fernandes 2009, severity 1). */
const eyes: Readonly<Record<string, readonly Triple[]>> = {
  all: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.04741],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** CIE L*a*b* of linear sRGB, white D65. */
function lab(light: Triple): Triple {
  const xyz = times(
    [
      [0.4124564, 0.3575761, 0.1804375],
      [0.2126729, 0.7151522, 0.072175],
      [0.0193339, 0.119192, 0.9503041],
    ],
    light,
  );
  const [x, y, z] = xyz.map((value, i) => {
    const share = value / [0.95047, 1, 1.08883][i]!;
    return share > 0.008856 ? Math.cbrt(share) : 7.787 * share + 16 / 116;
  }) as Triple;
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

describe.each([
  ['light', 0],
  ['dark', 1],
] as const)('on a %s screen', (_, theme) => {
  const of = (name: keyof typeof colours) => colours[name][theme];

  it.each(textColours)('text in %s has the contrast of WCAG AA', (name) => {
    for (const ground of ['surface', 'track'] as const) {
      // Text in the colours of curves is on the background of the page.
      if (ground === 'track' && name !== 'ink' && name !== 'muted') continue;
      expect(contrast(of(name), of(ground)), `${name} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('text on the bars of guesses has it, too', () => {
    for (const bar of ['right', 'wrong'] as const) expect(contrast(of('ink'), of(bar))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.keys(eyes))('runs are distinguishable with cones: %s', (kind) => {
    const seen = runColours.map((light) => {
      const [, dark] = Object.values(colours).find(([each]) => each === light)!;
      const simulated = times(eyes[kind]!, linear(theme === 0 ? light : dark));
      return lab(simulated.map((value) => Math.min(1, Math.max(0, value))) as Triple);
    });
    for (const [i, a] of seen.entries()) {
      for (const b of seen.slice(i + 1)) expect(Math.hypot(...a.map((value, k) => value - b[k]!))).toBeGreaterThan(20);
    }
  });
});

it('never gives two light colours the same value, because they could not be replaced by dark ones', () => {
  const light = Object.values(colours).map(([each]) => each);
  expect(new Set(light).size).toBe(light.length);
});

it('gives each of 24 runs its own style; consecutive ones differ in colour and in dashes', () => {
  const strokes = Array.from({ length: 24 }, (_, run) => strokeOf(run));
  expect(new Set(strokes.map((stroke) => JSON.stringify(stroke))).size).toBe(24);
  for (const [run, { colour, dashes }] of strokes.slice(1).entries()) {
    expect(colour).not.toBe(strokes[run]!.colour);
    expect(dashes).not.toEqual(strokes[run]!.dashes);
  }
});
