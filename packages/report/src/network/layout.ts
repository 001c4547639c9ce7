import type { Shape } from '@alex/tensor';
import { captionLines, partShape, type Stage } from './stages.js';

/** The drawing of a part of a stage; in pixels. */
export interface Box {
  /** The front's upper left corner. */
  readonly x: number;
  readonly y: number;
  /** Determined by the number of maps and their height. */
  readonly width: number;
  readonly height: number;
  /**
   * The offset of the back to the right and up, determined by the maps' width; undefined for values without positions.
   */
  readonly depth: readonly [right: number, up: number];
  readonly shape: Shape;
}

export interface PlacedStage {
  /** One for each part, starting with the first column at the top. */
  readonly boxes: readonly Box[];
  readonly left: number;
  readonly centre: number;
}

/** The positions of all elements of a drawing. */
export interface Placed {
  readonly stages: readonly PlacedStage[];
  readonly rows: readonly { readonly top: number }[];
  readonly captionTop: number;
  readonly width: number;
  readonly height: number;
}

const margin = 16;
/** The least space between the boxes of neighbouring stages: for wires and sizes. */
const gap = 48;
/** The approximate width of a character of a caption. */
const characterWidth = 5.7;
export const captionLineHeight = 16;

/** The height of the largest maps, and the width of the greatest number of maps. */
const largest = { height: 104, width: 52 };
const smallest = { height: 10, width: 6 };
const barWidth = 11;
/** Maps are seen from the front, a little from the right and above. */
const slant = { right: 0.36, up: 0.24 };

/** Computes the position of each stage. */
export function place(stages: readonly Stage[], columns: number): Placed {
  const sizes = stages.map((stage) => sizeOf(stage, stages));
  const rowHeight = Math.max(...sizes.map(({ height, depth }) => height + depth[1])) + (columns > 1 ? 44 : 36);
  // The image and the scores are drawn between rows.
  const rows = Array.from({ length: Math.max(1, columns) }, (_, row) => ({ top: margin + 12 + row * rowHeight }));
  const captionTop = margin + 12 + rows.length * rowHeight + 12;
  let left = margin;
  const placed = stages.map((stage, index): PlacedStage => {
    const { width, height, depth } = sizes[index]!;
    const extent = width + depth[0];
    const room = Math.max(extent + gap, captionWidth(stage) + 14);
    const x = left + (room - extent) / 2;
    const boxes = Array.from({ length: stage.parts }, (_, part): Box => {
      const middle = stage.parts === 1 ? rows.length / 2 : part + 0.5;
      const centre = margin + 12 + middle * rowHeight;
      const y = centre - (height + depth[1]) / 2 + depth[1];
      return { x, y, width, height, depth, shape: partShape(stage.shape, stage.parts) };
    });
    const at = { boxes, left, centre: left + room / 2 };
    left += room;
    return at;
  });
  const lines = Math.max(...stages.map((stage) => captionLines(stage).length));
  return {
    stages: placed,
    rows,
    captionTop,
    width: Math.ceil(left + margin),
    height: captionTop + lines * captionLineHeight + margin,
  };
}

/**
 * Maps are scaled by the square roots of their sizes, over their range in this network; units by the logarithm of their
 * number.
 */
function sizeOf(stage: Stage, stages: readonly Stage[]): Pick<Box, 'width' | 'height' | 'depth'> {
  const [maps = 1, height = 1, width = 1] = partShape(stage.shape, stage.parts);
  if (height * width === 1) {
    return { width: barWidth, height: Math.min(largest.height, 16 + 22 * Math.log10(maps)), depth: [0, 0] };
  }
  const shapes = stages.map(({ shape, parts }) => partShape(shape, parts)).filter(([, h = 1, w = 1]) => h * w > 1);
  const mostMaps = Math.max(...shapes.map(([each = 1]) => each));
  const largestSide = Math.max(...shapes.flatMap(([, h = 1, w = 1]) => [h, w]));
  const scaled = (value: number, most: number, from: number, to: number) =>
    Math.max(from, to * Math.sqrt(value / most));
  const across = scaled(width, largestSide, smallest.height, largest.height);
  return {
    width: scaled(maps, mostMaps, smallest.width, largest.width),
    height: scaled(height, largestSide, smallest.height, largest.height),
    depth: [slant.right * across, slant.up * across],
  };
}

function captionWidth(stage: Stage): number {
  return characterWidth * Math.max(...[stage.name, ...captionLines(stage)].map(({ length }) => length));
}
