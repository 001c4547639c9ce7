import {
  type Column,
  ConfigError,
  type LayerOptions,
  type ParameterDescription,
  type Shape,
  ShapeError,
} from '@alex/tensor';
import {
  checkBoolean,
  checkFinite,
  checkNotNegative,
  checkOptions,
  checkWholeNumber,
  formatShape,
  imageShape,
  outputSize,
  type Padding,
  type Pair,
  paddingOf,
  pair,
  shareOfColumn,
} from '@alex/tensor/kernels';

/** Initial values of weights and biases. */
export interface InitialOptions {
  /** Standard deviation of the weights' normal distribution. Default: 0.01 (section 5 of the paper). */
  readonly weightDeviation?: number;
  /** Initial value of every bias. Default: 0. The paper uses 1 in some layers. */
  readonly bias?: number;
}

/** Options common to convolutions and locally connected layers. */
export interface WindowOptions extends LayerOptions {
  /** Number of output maps. */
  readonly filters: number;
  /** Size of a filter, `[height, width]` or one number for both. */
  readonly kernel: Pair;
  /** Distance between neighbouring windows. Default: 1. */
  readonly stride?: Pair;
  /** Zeros around the input. Default: 0. */
  readonly padding?: Pair | Padding;
  /** Whether outputs have a bias. Default: true. */
  readonly bias?: boolean;
  readonly initial?: InitialOptions;
}

/** Options after the check, with all defaults filled in. */
export interface WindowSettings {
  readonly name: string;
  readonly filters: number;
  readonly kernel: readonly [height: number, width: number];
  readonly stride: readonly [height: number, width: number];
  readonly padding: Padding;
  readonly groups: number;
  readonly bias: boolean;
  readonly initial: Required<InitialOptions>;
}

/** @throws ConfigError for an option that is not allowed, with the layer, option and value */
export function windowSettings(kind: string, options: WindowOptions & { readonly groups?: number }): WindowSettings {
  const groupOption = kind === 'conv2d' ? (['groups'] as const) : [];
  checkOptions(kind, options, ['name', 'filters', 'kernel', 'stride', 'padding', ...groupOption, 'bias', 'initial']);
  const { name = kind, filters, groups = 1, bias = true, initial = {} } = options;
  checkOptions(`${name}: initial`, initial, ['weightDeviation', 'bias']);
  const { weightDeviation = 0.01, bias: initialBias = 0 } = initial;
  checkWholeNumber(name, 'filters', filters);
  checkWholeNumber(name, 'groups', groups);
  if (filters % groups !== 0) {
    throw new ConfigError(`${name}: filters must be a multiple of groups, got ${filters} filters in ${groups} groups`);
  }
  checkBoolean(name, 'bias', bias);
  checkNotNegative(name, 'initial.weightDeviation', weightDeviation);
  checkFinite(name, 'initial.bias', initialBias);
  return {
    name,
    filters,
    kernel: pair(name, 'kernel', options.kernel),
    stride: pair(name, 'stride', options.stride ?? 1),
    padding: paddingOf(name, options.padding ?? 0),
    groups,
    bias,
    initial: { weightDeviation, bias: initialBias },
  };
}

/** The settings that say what a layer computes: see `options` of `Layer`. */
export function layerOptions({ name, initial, ...options }: WindowSettings) {
  return options;
}

/** A layer's sizes for one input shape. */
export interface Geometry extends WindowSettings {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly groupChannels: number;
  readonly groupFilters: number;
}

/** @throws ShapeError if the input is not an image, has channels that groups do not divide, or is too small */
export function geometryOf(settings: WindowSettings, input: Shape): Geometry {
  const { name, kernel, stride, padding, groups, filters } = settings;
  const [batch, channels, height, width] = imageShape(name, input);
  if (channels % groups !== 0) {
    throw new ShapeError(
      `${name}: ${groups} groups need a multiple of ${groups} channels, got ${channels} in ${formatShape(input)}`,
    );
  }
  const outputHeight = outputSize(height, kernel[0], stride[0], padding.top, padding.bottom);
  const outputWidth = outputSize(width, kernel[1], stride[1], padding.left, padding.right);
  if (outputHeight < 1 || outputWidth < 1) {
    throw new ShapeError(
      `${name}: a kernel of ${kernel.join(' x ')} does not fit into ${formatShape(input)} padded to ` +
        `${height + padding.top + padding.bottom} x ${width + padding.left + padding.right}; ` +
        'use a larger input, more padding or a smaller kernel',
    );
  }
  return {
    ...settings,
    batch,
    channels,
    height,
    width,
    outputHeight,
    outputWidth,
    groupChannels: channels / groups,
    groupFilters: filters / groups,
  };
}

/** The output's shape, `[N, filters, height, width]`. */
export function outputShapeOf({ batch, filters, outputHeight, outputWidth }: Geometry): Shape {
  return [batch, filters, outputHeight, outputWidth];
}

/** Every output is one filter's dot product with its window. */
export function multiplyAddsOf({ filters, outputHeight, outputWidth, groupChannels, kernel }: Geometry): number {
  return filters * outputHeight * outputWidth * groupChannels * kernel[0] * kernel[1];
}

/** `weight` and `bias` with the given shapes and the settings' initial values. */
export function parametersOf(settings: WindowSettings, weight: Shape, bias: Shape): ParameterDescription[] {
  const { initial } = settings;
  const parameters: ParameterDescription[] = [
    {
      name: 'weight',
      shape: weight,
      initial: { distribution: 'normal', standardDeviation: initial.weightDeviation },
      decays: true,
    },
  ];
  if (settings.bias) {
    parameters.push({
      name: 'bias',
      shape: bias,
      initial: { distribution: 'constant', value: initial.bias },
      decays: false,
    });
  }
  return parameters;
}

/**
 * The settings of some columns. Groups are distributed; a layer with one group reads every column and keeps one group.
 *
 * @throws ConfigError if filters or groups cannot be distributed evenly
 */
export function columnSettings<Settings extends WindowSettings>(settings: Settings, column: Column): Settings {
  const { name, filters, groups } = settings;
  return {
    ...settings,
    filters: shareOfColumn(name, 'filters', filters, column),
    groups:
      groups === 1 ? 1 : shareOfColumn(name, 'groups', groups, column, `1 group or a multiple of ${column.count}`),
  };
}
