import { ConfigError, type NetworkDescription } from '@alex/tensor';
import { checkOptions } from '@alex/tensor/kernels';
import { checkDescribed } from '@alex/tensor/network';
import { fontFamily } from '../draw.js';
import { darkImageStyle, palette } from '../palette.js';
import { escapeXml } from '../text.js';
import { type Box, captionLineHeight, type Placed, place } from './layout.js';
import { captionLines, inWords, readsAllColumns, type Stage, stagesOf } from './stages.js';

/** Options of `networkFigure`. */
export interface NetworkFigureOptions {
  /** A name for each column, such as the adapter that computes it. Default: `column 1` and so on, if there are several. */
  readonly columnNames?: readonly string[];
}

/**
 * Draws a described network as an SVG, like figure 2 of the paper. Maps are boxes whose size shows the size and number of the
 * maps (by square roots); dense layers are bars (by the logarithm of their units); each column has a row. The drawing shows what
 * a position sees of the layer below, and which columns it reads. It is made from the description alone, for any network.
 *
 * @throws ConfigError if it is not a description, for an unknown option, or for the wrong number of column names
 */
export function networkFigure(description: NetworkDescription, options: NetworkFigureOptions = {}): string {
  checkDescribed(description);
  checkOptions('networkFigure', options, ['columnNames']);
  const { columns } = description;
  const { columnNames: names = Array.from({ length: columns }, (_, column) => `column ${column + 1}`) } = options;
  if (names.length !== columns || !names.every((name) => typeof name === 'string')) {
    throw new ConfigError(`networkFigure: columnNames must be ${columns} texts, one a column; got ${String(names)}`);
  }
  const stages = stagesOf(description);
  const placed = place(stages, description.columns);
  const { width, height } = placed;
  const content = [
    ...columnNames(placed, names),
    // Wires are behind boxes, which are behind numbers.
    ...stages.flatMap((stage, index) => (index === 0 ? [] : wires(stage, placed, index))),
    ...placed.stages.flatMap(({ boxes }) => boxes.map(drawBox)),
    ...stages.slice(1).flatMap((stage, index) => windows(stage, placed, index + 1)),
    ...placed.stages.flatMap(({ boxes }) => sizes(boxes)),
    ...stages.flatMap((stage, index) => caption(stage, placed, index)),
  ];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeXml(inWords(stages, description.columns))}" ` +
    `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escapeXml(fontFamily)}" font-size="12">` +
    `<rect width="${width}" height="${height}" fill="${palette.surface}"/>${content.join('')}<style>${darkImageStyle}</style></svg>`
  );
}

/** The connections between columns, and what a position sees. */
const exchanged = palette.val;

type Point = readonly [x: number, y: number];

const path = (points: readonly Point[]) => points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
const round = (value: number) => Number(value.toFixed(1));

function polygon(points: readonly Point[], fill: string, stroke: string = palette.line): string {
  return `<polygon points="${path(points)}" fill="${fill}" stroke="${stroke}" stroke-linejoin="round"/>`;
}

/** The corners of a box's faces: its front, and behind it the front shifted by the depth. */
function cornersOf({ x, y, width, height, depth }: Box) {
  const [dx, dy] = depth;
  const front: Point[] = [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ];
  const back = front.map(([px, py]): Point => [px + dx, py - dy]);
  return { front, back };
}

function drawBox(box: Box): string {
  const { front, back } = cornersOf(box);
  const [f0, f1, f2, f3] = front as [Point, Point, Point, Point];
  const [b0, b1, b2] = back as [Point, Point, Point];
  if (box.depth[0] === 0) return polygon([f0, f1, f2, f3], palette.face);
  return (
    polygon([f0, f1, f2, f3], palette.face) +
    polygon([f0, b0, b1, f1], palette.faceTop) +
    polygon([f1, b1, b2, f2], palette.faceSide)
  );
}

/** The boxes of the stage below that a box of this one reads. */
function readBy(stage: Stage, boxes: readonly Box[], part: number): readonly Box[] {
  return stage.exchanges || boxes.length === 1 ? boxes : [boxes[part]!];
}

/** A window's position on the visible side of a box: in the middle, and at least large enough to be visible. */
function windowOn(box: Box, stage: Stage): Point[] {
  const { x, y, width, height, depth } = box;
  const [dx, dy] = depth;
  const share = (of: number, least: number, whole: number) =>
    Math.min(1, Math.max(of, whole === 0 ? 0 : least / whole));
  const [, mapHeight = 1, mapWidth = 1] = box.shape;
  const down = share((stage.window?.size[0] ?? mapHeight) / mapHeight, 7, height);
  const across = share((stage.window?.size[1] ?? mapWidth) / mapWidth, 7, Math.hypot(dx, dy));
  const [left, top] = [(1 - across) / 2, (1 - down) / 2];
  const at = (u: number, v: number): Point => [x + width + u * dx, y - u * dy + v * height];
  return [at(left, top), at(left + across, top), at(left + across, top + down), at(left, top + down)];
}

function wires(stage: Stage, placed: Placed, index: number): string[] {
  const below = placed.stages[index - 1]!.boxes;
  return placed.stages[index]!.boxes.flatMap((box, part) =>
    readBy(stage, below, part).map((from) => {
      const stroke = stage.exchanges ? exchanged : palette.mark;
      const style = `fill="none" stroke="${stroke}" stroke-width="1"`;
      const line = ([x1, y1]: Point, [x2, y2]: Point, dashed = false) =>
        `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" ${style}${dashed ? ' stroke-dasharray="3 3"' : ''}/>`;
      if (stage.kind === 'dense' || !stage.window) {
        // Connects everything below to everything here: from edge to edge.
        const { x, y, width, height, depth } = from;
        const right: Point = [x + width + depth[0], y - depth[1]];
        return line(right, [box.x, box.y]) + line([x + width, y + height], [box.x, box.y + box.height]);
      }
      const seen = windowOn(from, stage);
      const target: Point = [box.x, box.y + box.height / 2];
      return seen.map((corner) => line(corner, target, true)).join('');
    }),
  );
}

function windows(stage: Stage, placed: Placed, index: number): string[] {
  if (stage.kind === 'dense' || !stage.window) return [];
  return placed.stages[index - 1]!.boxes.map((box) => polygon(windowOn(box, stage), palette.window, exchanged));
}

interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly fill?: string;
  readonly weight?: number;
  readonly size?: number;
}

function text(content: string, [x, y]: Point, style: TextStyle = {}): string {
  const { anchor = 'middle', fill = palette.ink, weight, size } = style;
  return (
    `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${fill}"` +
    `${weight ? ` font-weight="${weight}"` : ''}${size ? ` font-size="${size}"` : ''}>${escapeXml(content)}</text>`
  );
}

/** Text over lines gets a background. */
function label(content: string, at: Point, style?: TextStyle): string {
  const halo = `<g stroke="${palette.surface}" stroke-width="3" stroke-linejoin="round">${text(content, at, { ...style, fill: palette.surface })}</g>`;
  return halo + text(content, at, style);
}

/** The number of maps or units, below a box; their size, above it. */
function sizes(boxes: readonly Box[]): string[] {
  return boxes.map(({ x, y, width, height, depth: [right, up], shape: [maps = 1, mapHeight, mapWidth] }) => {
    const below = label(maps.toLocaleString('en-US'), [x + width / 2, y + height + 15], { weight: 600 });
    if (right === 0) return below;
    return below + label(`${mapHeight} × ${mapWidth}`, [x + (width + right) / 2, y - up - 6]);
  });
}

function columnNames({ stages, rows }: Placed, names: readonly string[]): string[] {
  if (names.length < 2) return [];
  const first = stages.find(({ boxes }) => boxes.length > 1) ?? stages[0]!;
  return rows.map(({ top }, column) =>
    text(names[column]!, [first.left, top], { anchor: 'start', fill: palette.muted }),
  );
}

/** The layer's name, its operation and the following operations, one per line. */
function caption(stage: Stage, { stages, captionTop }: Placed, index: number): string[] {
  const { centre } = stages[index]!;
  return [
    text(stage.name, [centre, captionTop], { weight: 600 }),
    ...captionLines(stage).map((line, row) =>
      text(line, [centre, captionTop + captionLineHeight * (row + 1)], {
        size: 11,
        fill: line === readsAllColumns ? exchanged : palette.muted,
      }),
    ),
  ];
}
