import { ConfigError, ShapeError } from '../errors.js';
import { checkOptions, checkText, checkWholeNumber, optionError } from '../option-checks.js';
import { elementCount, formatShape, type Shape } from '../shape.js';
import type { Layer, StateDescription } from './layer.js';
import type { LearnedParameter } from './optimizer.js';

/** How a layer reads the layer below: only its own column's maps, or those of all columns. */
export type ReadsFrom = 'own' | 'all';

export interface LayerPlacement {
  readonly layer: Layer;
  readonly from: ReadsFrom;
}

export interface NetworkOptions {
  readonly name: string;
  /** One image: `[C, H, W]`. */
  readonly input: Shape;
  /** Number of columns of the network. Default: 1. */
  readonly columns?: number;
  /** From the image upwards. A bare layer reads its own column. */
  readonly layers: readonly (Layer | LayerPlacement)[];
}

export interface NetworkTableRow {
  readonly name: string;
  readonly kind: string;
  readonly from: ReadsFrom;
  /** One image: `[C, H, W]` or `[F]`. */
  readonly outputShape: Shape;
  readonly parameters: number;
  /** For the forward pass of one image. */
  readonly multiplyAdds: number;
  /** Bytes of one image's output in float32, and of the parameters. */
  readonly bytes: number;
  readonly parameterBytes: number;
  /** Bytes that all adapters together send for this layer in one step, if there are several. */
  readonly exchangedBytes?: number;
}

/** One row per layer; `toString()` formats it as a table. */
export interface NetworkTable {
  readonly rows: readonly NetworkTableRow[];
  toString(): string;
}

/** A layer's state in a network. */
export interface DescribedState extends StateDescription {
  /** The dotted name in the network: `norm1.mean`. */
  readonly path: string;
}

export interface DescribedLayer extends LayerPlacement {
  /** With batch 1. */
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  readonly parameters: readonly LearnedParameter[];
  /** Values that the layer keeps from step to step without learning them. */
  readonly state: readonly DescribedState[];
}

/** A network as plain data: its layers and everything that is known before it runs. */
export interface NetworkDescription {
  readonly name: string;
  readonly input: Shape;
  readonly columns: number;
  readonly layers: readonly DescribedLayer[];
  /** Of one image: `[classes]`. */
  readonly output: Shape;
  readonly parameterCount: number;
  /** For the forward pass of one image. */
  readonly multiplyAdds: number;
  table(): NetworkTable;
}

/**
 * Checks a network and computes its shapes.
 *
 * @throws ConfigError if an option or a layer is invalid, names repeat or columns are not a whole number; ShapeError if the input
 * is not `[C, H, W]` or a layer does not fit.
 */
export function describeNetwork(options: NetworkOptions): NetworkDescription {
  // A description may be described again: `{ ...whole, layers }`. Properties that follow from the options are computed again.
  const { output, parameterCount, multiplyAdds, table, ...given } = (options ?? {}) as NetworkOptions &
    Partial<NetworkDescription>;
  checkOptions('describeNetwork', options && given, ['name', 'input', 'columns', 'layers']);
  if (typeof options.name !== 'string') throw optionError('describeNetwork', 'name', 'a text', options.name);
  const columns = options.columns ?? 1;
  checkWholeNumber(options.name, 'columns', columns);
  if (!Array.isArray(options.input)) throw optionError(options.name, 'input', 'one image, [C, H, W]', options.input);
  if (options.input.length !== 3 || options.input.some((size) => !Number.isInteger(size) || size < 1)) {
    throw new ShapeError(
      `${options.name}: input must be one image, [C, H, W], got ${formatShape(options.input)}; plain vectors are [F, 1, 1]`,
    );
  }
  if (!Array.isArray(options.layers)) throw optionError(options.name, 'layers', 'an array of layers', options.layers);
  if (options.layers.length === 0) throw new ConfigError(`${options.name}: a network needs at least one layer`);
  const names = new Set<string>();
  let shape: Shape = [1, ...options.input];
  const layers = options.layers.map((entry: Layer | LayerPlacement, index): DescribedLayer => {
    const { layer, from } = placementOf(`${options.name}: layers[${index}]`, entry);
    if (names.has(layer.name)) {
      throw new ConfigError(`${options.name}: two layers are called ${layer.name}; give each its own name`);
    }
    names.add(layer.name);
    const inputShape = shape;
    shape = layer.outputShape(inputShape);
    const inNetwork = <Own extends { readonly name: string }>(own: Own) => ({
      ...own,
      path: `${layer.name}.${own.name}`,
    });
    const parameters = layer.parameters(inputShape).map(inNetwork);
    const state = (layer.state?.(inputShape) ?? []).map(inNetwork);
    const own = [...parameters, ...state].map(({ name }) => name);
    const repeated = own.find((name, index) => own.indexOf(name) < index);
    if (repeated !== undefined) {
      throw new ConfigError(
        `${options.name}: ${layer.name} has two parameters or states called ${repeated}; give each its own name`,
      );
    }
    return { layer, from, inputShape, outputShape: shape, parameters, state };
  });
  const rows = layers.map(
    ({ layer, from, inputShape, outputShape, parameters }): NetworkTableRow => ({
      name: layer.name,
      kind: layer.kind,
      from,
      outputShape: outputShape.slice(1),
      parameters: parameters.reduce((sum, parameter) => sum + elementCount(parameter.shape), 0),
      multiplyAdds: layer.multiplyAdds(inputShape),
      bytes: 4 * elementCount(outputShape),
      parameterBytes: 4 * parameters.reduce((sum, parameter) => sum + elementCount(parameter.shape), 0),
    }),
  );
  return {
    name: options.name,
    input: options.input,
    columns,
    layers,
    output: shape.slice(1),
    parameterCount: rows.reduce((sum, row) => sum + row.parameters, 0),
    multiplyAdds: rows.reduce((sum, row) => sum + row.multiplyAdds, 0),
    table: () => ({ rows, toString: () => formatTable(rows) }),
  };
}

/** A layer and what it reads. */
function placementOf(what: string, entry: Layer | LayerPlacement): LayerPlacement {
  const placement =
    typeof entry === 'object' && entry !== null && 'layer' in entry ? entry : { layer: entry, from: 'own' as const };
  const { layer, from } = placement;
  checkLayer(what, layer);
  if (from !== 'own' && from !== 'all') throw optionError(`${what}, ${layer.name}`, 'from', "'own' or 'all'", from);
  return placement;
}

const methods = ['outputShape', 'parameters', 'multiplyAdds', 'forward', 'backward'] as const;

/** @throws ConfigError if the value is not a layer */
export function checkLayer(what: string, layer: Layer): void {
  const missing = methods.find((method) => typeof layer?.[method] !== 'function');
  if (missing !== undefined) {
    throw new ConfigError(`${what}: must be a layer, such as from conv2d() or relu(); this has no ${missing}()`);
  }
  checkText(what, 'name', layer.name);
}

/** @throws ConfigError if the value is not a description of a network */
export function checkDescribed(description: NetworkDescription): void {
  if (Array.isArray(description?.layers) && typeof description.table === 'function') return;
  throw new ConfigError(
    `a network must be a description, from describeNetwork(...) or alexnet(...), got ${String(description)}`,
  );
}

/**
 * The same table with the bytes that adapters send in one step; those for the loss get a row of their own.
 *
 * @param sent by labels that begin with the name of the layer
 */
export function withExchange(
  { rows }: NetworkTable,
  sent: readonly { readonly label: string; readonly bytes: number }[],
): NetworkTable {
  const bytesOf = (name: string) =>
    sent.reduce((sum, { label, bytes }) => (/^[^/]*/.exec(label)![0] === name ? sum + bytes : sum), 0);
  const measured: NetworkTableRow = {
    name: 'loss',
    kind: 'loss',
    from: 'all',
    outputShape: [],
    parameters: 0,
    multiplyAdds: 0,
    bytes: 0,
    parameterBytes: 0,
  };
  const exchanging = [...rows, measured].map((row) => ({ ...row, exchangedBytes: bytesOf(row.name) }));
  return { rows: exchanging, toString: () => formatTable(exchanging) };
}

function formatTable(rows: readonly NetworkTableRow[]): string {
  const total = (pick: (row: NetworkTableRow) => number) => rows.reduce((sum, row) => sum + pick(row), 0);
  const exchange = (cell: string) => (rows.some(({ exchangedBytes }) => exchangedBytes !== undefined) ? [cell] : []);
  const count = (value: number) => value.toLocaleString('en-US');
  const cells = [
    [
      'layer',
      'kind',
      'reads',
      'output',
      'parameters',
      'multiply-adds',
      'bytes per image',
      ...exchange('exchanged a step'),
    ],
    ...rows.map((row) => [
      row.name,
      row.kind,
      row.from,
      row.outputShape.join(' x '),
      count(row.parameters),
      count(row.multiplyAdds),
      count(row.bytes),
      ...exchange(count(row.exchangedBytes ?? 0)),
    ]),
    [
      'total',
      '',
      '',
      '',
      count(total((row) => row.parameters)),
      count(total((row) => row.multiplyAdds)),
      count(total((row) => row.bytes)),
      ...exchange(count(total((row) => row.exchangedBytes ?? 0))),
    ],
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => (column < 4 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
