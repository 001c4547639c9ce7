import type { NetworkDescription } from '@alex/tensor';
import { networkFigure } from '../network/network-figure.js';
import { kindName } from '../network/stages.js';
import { details, drawTable, figure, type Section, scrollable } from './elements.js';

/** The network, drawn like figure 2 of the paper, and every layer in a table. */
export function networkSection(description: NetworkDescription, columnNames?: readonly string[]): Section {
  const { parameterCount, multiplyAdds, columns, input, output } = description;
  const count = (value: number) => value.toLocaleString('en-US');
  const { rows } = description.table();
  const inColumns = columns > 1;
  const drawing = networkFigure(description, columnNames ? { columnNames } : {});
  const caption =
    'Boxes are maps: height and depth show their size, width their number; bars are dense layers. ' +
    'Orange marks what a position sees of each map below' +
    (inColumns ? ', and lines from column to column: what the columns exchange.' : '.');
  const layers = drawTable({
    caption: 'Layers, from the image upwards',
    columns: ['layer', 'kind', ...(inColumns ? ['reads'] : []), 'output', 'parameters', 'multiply-adds'],
    rows: [
      ...rows.map(({ name, kind, from, outputShape, parameters, multiplyAdds }) => [
        name,
        kindName(kind),
        ...(inColumns ? [from === 'all' ? 'all columns' : 'its own column'] : []),
        outputShape.join(' × '),
        count(parameters),
        count(multiplyAdds),
      ]),
      ['total', '', ...(inColumns ? [''] : []), '', count(parameterCount), count(multiplyAdds)],
    ],
    own: [rows.length],
    numbersFrom: inColumns ? 3 : 2,
  });
  return {
    id: 'network',
    title: 'The network',
    introduction:
      `${description.name}: images of ${input.join(' × ')}${inColumns ? `, ${columns} columns` : ''}, ` +
      `${count(output[0]!)} classes, ${count(parameterCount)} parameters, ${count(multiplyAdds)} multiply-adds per image.`,
    content:
      figure(`<div class="drawing">${scrollable('Drawing of the network', drawing)}</div>`, caption) +
      details('Layer by layer', layers),
  };
}
