import type { Layer } from '@alex/tensor';
import { recordForward } from './forward.js';
import { recordInputGradient } from './input-gradient.js';
import {
  columnSettings,
  geometryOf,
  layerOptions,
  multiplyAddsOf,
  outputShapeOf,
  parametersOf,
  type WindowOptions,
  type WindowSettings,
  windowSettings,
} from './options.js';
import { recordParameterGradients } from './weight-gradient.js';

export interface Conv2dOptions extends WindowOptions {
  /** Number of equal groups of channels, each read by its own group of filters. Default: 1. */
  readonly groups?: number;
}

/**
 * Two-dimensional convolution (cross-correlation, as in every framework) of images `[N, C, H, W]` into
 * `[N, filters, height, width]`. Sizes are `floor((H + top + bottom - kernel) / stride) + 1`.
 *
 * Parameters: `weight` `[filters, C / groups, kernel height, kernel width]`, with weight decay, and `bias` `[filters]`,
 * without. In a network with columns, each column has its share of the filters and groups; a layer with one group, read
 * from all columns, keeps one group.
 *
 * @throws ConfigError for an option that is not allowed: filters, groups, kernel or stride that are not whole numbers
 * of at least 1, filters that groups do not divide, negative padding.
 * @throws ShapeError (from the layer's methods) if groups do not divide the channels, or the kernel is larger than the
 * padded input.
 */
export function conv2d(options: Conv2dOptions): Layer {
  return convolution(windowSettings('conv2d', options));
}

function convolution(settings: WindowSettings): Layer {
  const { name, filters, kernel, stride } = settings;
  return {
    kind: 'conv2d',
    name,
    options: layerOptions(settings),
    window: { size: kernel, stride },
    outputShape: (input) => outputShapeOf(geometryOf(settings, input)),
    parameters: (input) =>
      parametersOf(settings, [filters, geometryOf(settings, input).groupChannels, ...kernel], [filters]),
    multiplyAdds: (input) => multiplyAddsOf(geometryOf(settings, input)),
    column: (column) => convolution(columnSettings(settings, column)),
    takesEpilogue: true,
    ...(settings.groups === 1 && { sumsOverInput: true }),
    forward(recorder, { input, parameters, epilogue }) {
      const geometry = geometryOf(settings, input.shape);
      return {
        output: recordForward(recorder, geometry, {
          input,
          weight: parameters['weight']!,
          bias: parameters['bias'],
          epilogue,
        }),
      };
    },
    takesGradientEpilogue: true,
    backward(
      recorder,
      { input, parameters, outputGradient, needsInputGradient, needsParameterGradients = true, epilogue },
    ) {
      const geometry = geometryOf(settings, input.shape);
      const weight = parameters['weight']!;
      return {
        ...(needsParameterGradients && {
          parameterGradients: recordParameterGradients(recorder, geometry, {
            input,
            outputGradient,
            bias: settings.bias,
          }),
        }),
        ...(needsInputGradient && {
          inputGradient: recordInputGradient(recorder, geometry, {
            outputGradient,
            weight,
            ...(epilogue && { below: { epilogue, output: input } }),
          }),
        }),
      };
    },
  };
}
