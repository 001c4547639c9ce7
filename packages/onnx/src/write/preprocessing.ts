import type { Shape } from '@alex/tensor';
import { checkPreprocessing, isImage, type Preprocessing } from '../preprocessing.js';
import type { GraphWriter } from './graph-writer.js';

/** Adds the input `pixels`, RGB from 0 to 255, and what makes the network's input of it; returns the latter's name. */
export function writePreprocessing(graph: GraphWriter, given: Preprocessing, input: Shape): string {
  const { imageSize, mean, scale } = checkPreprocessing(given, input);
  const [channels = 0, height = 0, width = 0] = input;
  const shape = [1, channels, ...imageSize];
  const pixels = graph.input('pixels', shape);
  const constant = graph.constant(
    'mean',
    isImage(mean)
      ? { shape: [...mean.shape], data: mean.data }
      : { shape: [channels, 1, 1], data: Float32Array.from(mean) },
  );
  let value = graph.add('Sub', 'pixels/centred', { inputs: [pixels, constant], shape });
  if (scale !== 1) value = graph.add('Div', 'pixels/scaled', { inputs: [value, graph.scalar('scale', scale)], shape });
  const [top, left] = [Math.floor((imageSize[0] - height) / 2), Math.floor((imageSize[1] - width) / 2)];
  if (imageSize[0] === height && imageSize[1] === width) return value;
  return graph.add('Slice', 'pixels/cropped', {
    inputs: [
      value,
      graph.wholeNumbers('crop.starts', [top, left]),
      graph.wholeNumbers('crop.ends', [top + height, left + width]),
      graph.wholeNumbers('crop.axes', [2, 3]),
    ],
    shape: [1, ...input],
  });
}
