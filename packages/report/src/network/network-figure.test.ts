import { alexnet, variants } from '@alex/model-alexnet';
import { describeNetwork, type Layer } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { type Element, parseSvg } from '../testing/page.js';
import { networkFigure } from './network-figure.js';
import { inWords, stagesOf } from './stages.js';

/** A custom layer, with the properties that a drawing uses. */
function layer(own: Partial<Layer> & Pick<Layer, 'name'>): Layer {
  const refuse = () => {
    throw new Error('a drawing computes nothing');
  };
  const multiplyAdds = () => 1;
  const same: Layer['outputShape'] = (shape) => shape;
  return {
    kind: 'own',
    outputShape: same,
    parameters: () => [],
    multiplyAdds,
    forward: refuse,
    backward: refuse,
    column: refuse,
    ...own,
  };
}

const texts = (svg: Element) => [...svg.querySelectorAll('text')].map(({ textContent }) => textContent);
const polygons = (svg: Element) => [...svg.querySelectorAll('polygon')];

/** Every coordinate in the drawing, x and y alternating. */
function placesIn(svg: Element): [x: number, y: number][] {
  const numbers = (text: string | null) => (text ?? '').match(/-?[\d.]+/g)!.map(Number);
  const pairs = (all: number[]) => all.flatMap((x, i): [number, number][] => (i % 2 === 0 ? [[x, all[i + 1]!]] : []));
  return [
    ...polygons(svg).flatMap((each) => pairs(numbers(each.getAttribute('points')))),
    ...[...svg.querySelectorAll('path')].flatMap((each) => pairs(numbers(each.getAttribute('d')))),
    ...[...svg.querySelectorAll('text')].map((each): [number, number] => [
      Number(each.getAttribute('x')),
      Number(each.getAttribute('y')),
    ]),
  ];
}

describe('the drawing of the paper’s network', () => {
  const svg = parseSvg(networkFigure(alexnet()));

  it('has the sizes in figure 2, once per column', () => {
    const said = texts(svg);
    for (const [size, times] of [
      ['224 × 224', 1],
      ['55 × 55', 2],
      ['27 × 27', 2],
      ['13 × 13', 6],
    ] as const) {
      // Each is drawn twice: its background hides lines.
      expect(said.filter((text) => text === size)).toHaveLength(2 * times);
    }
    for (const [maps, times] of [
      ['48', 2],
      ['128', 4],
      ['192', 4],
      ['2,048', 4],
      ['1,000', 1],
      ['3', 1],
    ] as const) {
      expect(said.filter((text) => text === maps)).toHaveLength(2 * times);
    }
    expect(said).toEqual(
      expect.arrayContaining(['column 1', 'column 2', '11 × 11, stride 4', 'max pooling', '3 × 3, stride 2']),
    );
  });

  it('shows that columns exchange at conv3 and the dense layers, and nowhere else', () => {
    const stages = stagesOf(alexnet());
    expect(stages.filter(({ exchanges }) => exchanges).map(({ name }) => name)).toEqual(['conv3', 'fc6', 'fc7', 'fc8']);
    expect(texts(svg).filter((text) => text === '⇄ all columns')).toHaveLength(4);
    expect(stages.map(({ parts }) => parts)).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 1]);
  });

  it('is described in words for readers who cannot see it', () => {
    const said = svg.querySelector('svg')!.getAttribute('aria-label')!;
    expect(said).toContain(
      'conv1: convolution (11 × 11, stride 4), gives 2 columns of 48 × 55 × 55, then ReLU, normalization',
    );
    expect(said).toContain('conv2: convolution (5 × 5), each column reads its own, gives 2 columns of 128 × 27 × 27');
    expect(said).toContain(
      'conv3: convolution (3 × 3), reads all 2 columns, gives 2 columns of 192 × 13 × 13, then ReLU.',
    );
    expect(said).toContain('fc8: dense, reads all 2 columns, gives 1000.');
  });

  it('names the columns by the adapters that compute them', () => {
    const named = parseSvg(networkFigure(alexnet(), { columnNames: ['left <GPU>', 'right'] }));
    expect(texts(named)).toEqual(expect.arrayContaining(['left <GPU>', 'right']));
    expect(texts(named)).not.toContain('column 1');
  });
});

describe('the drawing of any network', () => {
  it.each(variants.map(({ name }) => name))('is complete and within its frame: %s', (variant) => {
    const description = alexnet({ variant });
    const svg = parseSvg(networkFigure(description));
    const root = svg.querySelector('svg')!;
    const [width, height] = [Number(root.getAttribute('width')), Number(root.getAttribute('height'))];
    for (const [x, y] of placesIn(svg)) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThanOrEqual(width);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(y).toBeLessThanOrEqual(height);
    }
    for (const { layer: each, inputShape } of description.layers) {
      if (each.multiplyAdds(inputShape) > 0) expect(texts(svg)).toContain(each.name);
    }
    expect(texts(svg).includes('column 1')).toBe(description.columns > 1);
  });

  it('counts groups that are no columns, and takes filters as large as the maps for a dense layer', () => {
    const caffe = stagesOf(alexnet({ variant: 'caffe' }));
    expect(caffe.find(({ name }) => name === 'conv2')!.details).toEqual(['5 × 5', '2 groups']);
    const apart = stagesOf(alexnet({ variant: 'no-communication' })).find(({ name }) => name === 'fc6')!;
    expect(apart).toMatchObject({ kind: 'dense', parts: 2, exchanges: false, details: [] });
  });

  it('draws unknown layers', () => {
    const description = describeNetwork({
      name: 'own',
      input: [6, 8, 4],
      columns: 3,
      layers: [
        layer({ name: 'a<b', kind: 'wavelet', outputShape: ([n]) => [n!, 9, 8, 4] }),
        layer({ name: 'scale', kind: 'scaling', multiplyAdds: () => 0, parameters: () => [] }),
        layer({ name: 'halve', kind: 'halving', multiplyAdds: () => 0, outputShape: ([n]) => [n!, 9, 4, 2] }),
        // Ten maps cannot be divided among three columns.
        layer({ name: 'odd', outputShape: ([n]) => [n!, 10, 4, 2] }),
        { layer: layer({ name: 'out', outputShape: ([n]) => [n!, 7] }), from: 'all' },
      ],
    });
    expect(stagesOf(description).map(({ parts }) => parts)).toEqual([1, 3, 1, 1]);
    expect(stagesOf(description)[1]!.following).toEqual(['scaling', 'halving to 9 × 4 × 2']);
    const svg = parseSvg(networkFigure(description));
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['a<b', 'wavelet', 'scaling', 'halving to 9 × 4 × 2', '8 × 4', 'column 3']),
    );
    for (const place of placesIn(svg)) expect(place.every(Number.isFinite)).toBe(true);
  });

  it('draws values without positions as bars, including the image', () => {
    const description = describeNetwork({
      name: 'digits',
      input: [784, 1, 1],
      layers: [
        layer({ name: 'hidden', outputShape: ([n]) => [n!, 30] }),
        layer({ name: 'out', outputShape: ([n]) => [n!, 10] }),
      ],
    });
    const svg = parseSvg(networkFigure(description));
    // One face each.
    expect(polygons(svg)).toHaveLength(3);
    expect(inWords(stagesOf(description), 1)).toBe(
      'Network. Image: 784 × 1 × 1. hidden: own, gives 30. out: own, gives 10.',
    );
  });
});
