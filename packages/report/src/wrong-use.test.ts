import { alexnet } from '@alex/model-alexnet';
import { AlexError, ShapeError } from '@alex/tensor';
import { randomTensor } from '@alex/tensor/testing';
import { expect, it } from 'vitest';
import { odd, refuse, refuseWrongOptions, thrown } from '../../../wrong-use.base.js';
import { comparisonHtml } from './comparison.js';
import { curves } from './curves.js';
import { filters, filtersSvg } from './filters.js';
import { reportHtml } from './html.js';
import { imageAddress, type RawImage } from './image.js';
import { neighbours } from './neighbours.js';
import { networkFigure } from './network/network-figure.js';
import { predictions } from './predictions.js';
import { summarize } from './summary.js';
import { variations } from './variations.js';

const weight = randomTensor([4, 3, 2, 2], 1);
const image: RawImage = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 };
const prediction = { image, label: 'a', top5: [] };

refuseWrongOptions([
  ['curves', (options) => curves([], options)],
  ['filters', (options) => filters(weight, options)],
  ['filters', (options) => filtersSvg(weight, options)],
  ['predictions', (options) => predictions([prediction], options)],
  ['variations', (options) => variations(image, [image], options)],
  ['networkFigure', (options) => networkFigure(alexnet(), options)],
  ['comparisonHtml', (options) => comparisonHtml(options)],
  ['reportHtml', (options) => reportHtml(options)],
]);

it('the options of filters in a report are checked, too', async () => {
  const report = { title: 'run', metrics: [], filters: weight, filtersOptions: odd({ perrow: 3 }) };
  await expect(reportHtml(report)).rejects.toThrow("filters: unknown option 'perrow'; known: ");
});

refuse(AlexError, [
  ['a width in words', () => curves([], odd({ width: '960' })), "curves: width must be a finite number, got '960'"],
  [
    'metrics that are no list',
    () => curves(odd({ step: 1 })),
    'metrics: the lines must be an array, got [object Object]',
  ],
  ['metrics that are no list', () => summarize(odd(undefined)), 'metrics: the lines must be an array, got undefined'],
  ['a line that is none', () => summarize(odd([null])), 'metrics, line 1: must be an object, got null'],
  [
    'rows in words',
    () => predictions([prediction], odd({ perRow: '4' })),
    "perRow must be a whole number of at least 1, got '4'",
  ],
  ['predictions that are no list', () => predictions(odd(undefined)), 'predictions: what to draw must be an array'],
  ['variations that are no list', () => variations(image, odd(image)), 'variations: varied must be an array'],
  ['neighbours that are no list', () => neighbours(odd(undefined)), 'neighbours: rows must be an array'],
  ['a row without neighbours', () => neighbours(odd([{ image }])), 'neighbours: nearest of row 0 must be an array'],
  ['no image', () => imageAddress('cat', odd(undefined), 8), 'cat cannot be drawn: an image is the bytes of its file'],
  [
    'pixels in an array',
    () => imageAddress('cat', odd({ ...image, data: Array(12).fill(0) }), 8),
    'with a Uint8Array of pixel values; got Array',
  ],
  [
    'pixels that are fractions',
    () => variations(odd({ ...image, data: new Float32Array(12) }), [image]),
    'with a Uint8Array of pixel values; got Float32Array',
  ],
  ['a side that is none', () => imageAddress('cat', image, Number.NaN), 'cat: side must be a whole number'],
  [
    'a quality beyond the best',
    () => imageAddress('cat', image, 8, 101),
    'cat: quality must be a whole number from 1 to 100',
  ],
  ['no network', () => networkFigure(odd({})), 'a network must be a description, from'],
  [
    'a name for one column of two',
    () => networkFigure(alexnet(), { columnNames: ['left'] }),
    'networkFigure: columnNames must be 2 texts, one a column; got left',
  ],
  [
    'a report without a title',
    () => reportHtml(odd({ metrics: [] })),
    'reportHtml: title must be a text, got undefined',
  ],
  ['a report without metrics', () => reportHtml(odd({ title: 'run' })), 'metrics: the lines must be an array'],
  [
    'a remark that is no list',
    () => reportHtml({ title: 'run', metrics: [], remarks: odd('stopped') }),
    "reportHtml: remarks must be an array, got 'stopped'",
  ],
  ['a comparison without a title', () => comparisonHtml(odd({ runs: [] })), 'comparisonHtml: title must be a text'],
  ['a comparison of nothing', () => comparisonHtml(odd({ title: 'runs' })), 'comparisonHtml: runs must be an array'],
]);

it.each<[string, unknown]>([
  ['nothing', undefined],
  ['numbers in an array', { ...weight, data: [...weight.data] }],
  ['a shape that is none', { ...weight, shape: 48 }],
])('filters of %s are refused', async (_, given) => {
  const error = await thrown(() => filters(odd(given)));
  expect(error).toBeInstanceOf(ShapeError);
  expect((error as Error).message).toMatch(/^filters: /);
});
