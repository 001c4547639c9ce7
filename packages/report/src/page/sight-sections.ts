import { ConfigError, type HostTensor } from '@alex/tensor';
import { colourInWords, colourPanel } from '../colours.js';
import { type FiltersOptions, filters } from '../filters.js';
import { imageAddress } from '../image.js';
import type { History } from '../metrics.js';
import type { Neighbours } from '../neighbours.js';
import { drawPanel } from '../panel.js';
import type { Prediction } from '../predictions.js';
import { escapeXml } from '../text.js';
import { figure, named, type Section, scrollable } from './elements.js';
import type { ImageDetail } from './image-detail.js';

/** The first layer's filters, like figure 3 of the paper, and how colourful they became. */
export async function filtersSection(
  weight: HostTensor,
  options: FiltersOptions = {},
  history: History = { train: [], val: [] },
): Promise<Section> {
  const [count, , height = 1, width = 1] = weight.shape;
  // Small ones are enlarged to the size of the paper's.
  const scale = Math.max(1, Math.round(44 / Math.max(height, width)));
  const png = (await filters(weight, { scale, ...options })).toString('base64');
  const { columns = 1 } = options;
  const parts = columns > 1 ? `; those of the ${columns} columns one below the other` : '';
  const alt = `The ${count} filters of the first layer, ${height} × ${width} each${parts}`;
  const colours = colourPanel(history);
  const course = colours && named(await drawPanel(colourWidth, colourHeight, colours), colourInWords(history));
  return {
    id: 'filters',
    title: 'First-layer filters',
    introduction:
      'Each square is one filter, drawn in the colours to which it responds most; mid-grey is a weight of 0.',
    content:
      figure(`<div class="pixels"><img alt="${alt}" src="data:image/png;base64,${png}"></div>`, `${alt}.`) +
      (course === undefined
        ? ''
        : figure(
            course,
            'The fraction of filter energy in differences between red, green and blue: 0 is brightness alone, and untrained filters have two thirds.',
          )),
  };
}

/** In pixels. */
const colourWidth = 440;
const colourHeight = 300;

/** In pixels of the page. */
const cardSide = 170;
const neighbourSide = 104;

/** Images with their most likely labels, as figure 4 (left) of the paper: cards, as many in a row as fit. */
export async function predictionsSection(
  list: readonly Prediction[],
  { density, quality }: ImageDetail,
): Promise<Section> {
  const cards = await Promise.all(
    list.map(async ({ image, label, top5 }, index) => {
      const address = await imageAddress(`image ${index} (${label})`, image, density * cardSide, quality);
      const guesses = top5.map(({ label: guess, probability }) => {
        if (!(probability >= 0 && probability <= 1)) {
          throw new ConfigError(
            `predictions: image ${index} (${label}): the probability of ${guess} must be between 0 and 1, got ${probability}`,
          );
        }
        const right = guess === label;
        return (
          `<li${right ? ' class="right"' : ''} style="--share:${(100 * probability).toFixed(1)}%">` +
          `<span>${right ? '<span aria-hidden="true">✓ </span>' : ''}${escapeXml(guess)}${right ? '<span class="hidden"> (right)</span>' : ''}</span>` +
          `<span>${formatShare(probability)}</span></li>`
        );
      });
      return (
        `<li><img alt="${escapeXml(`Image of class ${label}`)}" src="${address}" width="${cardSide}" height="${cardSide}">` +
        `<p class="truth">${escapeXml(label)}</p><ol class="guesses">${guesses.join('')}</ol></li>`
      );
    }),
  );
  const right = list.filter(({ label, top5 }) => top5[0]?.label === label).length;
  return {
    id: 'predictions',
    title: 'Predictions',
    introduction: `Below each image are its right label and the most likely guesses; ✓ marks the right one. First guess right: ${right} of ${list.length}.`,
    content: `<ul class="cards">${cards.join('')}</ul>`,
  };
}

/** Images with those whose features are nearest, as in figure 4 (right) of the paper. */
export async function neighboursSection(
  rows: readonly Neighbours[],
  { density, quality }: ImageDetail,
): Promise<Section> {
  const drawn = await Promise.all(
    rows.map(async ({ image, nearest, label, nearestLabels }, row) => {
      const images = await Promise.all(
        [image, ...nearest].map(async (each, place) => {
          const address = await imageAddress(`row ${row}, image ${place}`, each, density * neighbourSide, quality);
          const what = place === 0 ? `Image ${row + 1}` : `Its nearest image number ${place}`;
          const own = place === 0 ? label : nearestLabels?.[place - 1];
          const alt = escapeXml(own === undefined ? what : `${what}, of class ${own}`);
          return `<img alt="${alt}" src="${address}" width="${neighbourSide}" height="${neighbourSide}">`;
        }),
      );
      return `<li>${images.join('')}</li>`;
    }),
  );
  return {
    id: 'neighbours',
    title: 'Nearest neighbours',
    introduction: 'An image on the left, and next to it those whose features in the last hidden layer are nearest.',
    content: scrollable('Images and their nearest neighbours', `<ul class="neighbours">${drawn.join('')}</ul>`),
  };
}

function formatShare(probability: number): string {
  const percent = 100 * probability;
  if (percent > 0 && percent < 1) return '< 1%'.replace('<', '&lt;');
  return `${Math.round(percent)}%`;
}
