import { ConfigError } from '@alex/tensor';
import { checkArray, checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import { drawSvg, fontFamily } from './draw.js';
import { drawImage, type Image } from './image.js';
import { palette } from './palette.js';

/** An image, its true class, and the network's prediction. */
export interface Prediction {
  readonly image: Image;
  /** The name of the true class. */
  readonly label: string;
  /** The most likely labels, most likely first: usually five. Probabilities are between 0 and 1. */
  readonly top5: readonly { readonly label: string; readonly probability: number }[];
}

/** Options of `predictions`. */
export interface PredictionsOptions {
  /** Images per row. Default: 4, as in the paper. */
  readonly perRow?: number;
}

const side = 192;
const gap = 28;
const margin = 24;
const headHeight = 36;
const barHeight = 24;
const barGap = 4;

/**
 * Draws images with their most likely labels as an SVG, like figure 4 (left) of the paper: below each image its right label, then
 * a bar for each guess, whose length is its probability; the right one is red (and bold, for readers who do not see red).
 *
 * @throws `ConfigError` for an option or a probability that is unknown or not allowed, `DataError` for an image that cannot be
 * read.
 */
export async function predictions(list: readonly Prediction[], options: PredictionsOptions = {}): Promise<string> {
  checkOptions('predictions', options, ['perRow']);
  const { perRow = 4 } = options;
  checkArray('predictions', 'what to draw', list);
  checkWholeNumber('predictions', 'perRow', perRow);
  if (list.length === 0) throw new ConfigError('predictions: there are none to draw; give at least one');
  const cards = await Promise.all(list.map((prediction, index) => drawCard(prediction, index)));
  const bars = Math.max(...list.map(({ top5 }) => top5.length));
  const across = Math.min(perRow, list.length);
  const rowHeight = side + headHeight + bars * (barHeight + barGap) + gap;
  const width = 2 * margin + across * (side + gap) - gap;
  const height = 2 * margin + Math.ceil(list.length / perRow) * rowHeight - gap - barGap;
  const elements = cards.map((children, index) => ({
    type: 'group',
    x: margin + (index % perRow) * (side + gap),
    y: margin + Math.floor(index / perRow) * rowHeight,
    children,
  }));
  return drawSvg(width, height, { graphic: { elements } });
}

async function drawCard({ image, label, top5 }: Prediction, index: number): Promise<object[]> {
  return [
    ...(await drawImage(`image ${index} (${label})`, image, side)),
    text(label, { x: side / 2, y: side + headHeight / 2, width: side, align: 'center', weight: 600, size: 14 }),
    ...top5.flatMap((guess, place) => {
      const { probability } = guess;
      if (!(probability >= 0 && probability <= 1)) {
        throw new ConfigError(
          `predictions: image ${index} (${label}): the probability of ${guess.label} must be between 0 and 1, ` +
            `got ${probability}`,
        );
      }
      const y = side + headHeight + place * (barHeight + barGap);
      const track = { x: 0, y, width: side, height: barHeight, r: 4 };
      const bar = { ...track, width: Math.max(3, probability * side) };
      const right = guess.label === label;
      const fill = right ? palette.right : palette.wrong;
      const middle = y + barHeight / 2;
      return [
        { type: 'rect', silent: true, shape: track, style: { fill: palette.track } },
        { type: 'rect', silent: true, shape: bar, style: { fill } },
        text(guess.label, { x: 8, y: middle, width: side - 60, align: 'left', weight: right ? 600 : 400, size: 13 }),
        text(formatShare(probability), { x: side - 6, y: middle, width: 48, align: 'right', weight: 400, size: 12 }),
      ];
    }),
  ];
}

interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly align: 'left' | 'center' | 'right';
  readonly weight: number;
  readonly size: number;
}

function text(content: string, { weight, size, ...place }: TextPlace): object {
  const style = { text: content, ...place, verticalAlign: 'middle', overflow: 'truncate', ellipsis: '…' };
  return {
    type: 'text',
    silent: true,
    style: { ...style, fill: palette.ink, fontFamily, fontWeight: weight, fontSize: size },
  };
}

function formatShare(probability: number): string {
  const percent = 100 * probability;
  if (percent > 0 && percent < 1) return '< 1%';
  return `${Math.round(percent)}%`;
}
