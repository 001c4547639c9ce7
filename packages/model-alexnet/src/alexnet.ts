import { ConfigError, type NetworkDescription } from '@alex/tensor';
import { checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import { type Blueprint, leaveOut } from './blueprint.js';
import { build } from './build.js';
import { cifar } from './cifar.js';
import { imagenet } from './imagenet.js';
import { small } from './small.js';

const blueprints = { ...imagenet, ...cifar, ...small } as const;

/** The name of a network of this family. */
export type Variant = keyof typeof blueprints;

export interface VariantDescription {
  readonly name: Variant;
  /** One line of description. */
  readonly about: string;
  /** Height and width of the images that it was designed for. */
  readonly inputSize: number;
  readonly classes: number;
}

/** Every network of this family, in the order of `docs/networks.md`. */
export const variants: readonly VariantDescription[] = (Object.keys(blueprints) as Variant[]).map((name) => {
  const { about, inputSize, classes } = blueprints[name];
  return { name, about, inputSize, classes };
});

export interface AlexnetOptions {
  /** Which network, one of `variants`; a run's configuration has it as text. Default: `paper`. */
  readonly variant?: Variant | (string & Record<never, never>);
  /** Units of the last layer, at least 2; 1000 for ImageNet's networks, 10 for CIFAR's, 24 for `small`. */
  readonly classes?: number;
  /** Channels of the image. Default: 3, for RGB. */
  readonly channels?: number;
  /**
   * Height and width of the image in pixels. Default: the variant's, 224 for the paper's. The inputs of the first dense
   * layer follow from it.
   */
  readonly inputSize?: number;
  /**
   * A learned layer between the first and the last to remove, such as `conv3`, with its activation, normalization and
   * dropout; its pooling stays (section 7 of the paper).
   */
  readonly without?: string;
}

/**
 * Describes a network of the AlexNet family: images `[N, channels, inputSize, inputSize]` in, `[N, classes]` out,
 * before the softmax. The description has a `parameterCount`, `multiplyAdds` and a printable `table()`.
 *
 * @throws ConfigError for an unknown variant or layer, or a number that is not allowed; ShapeError if the image is too
 * small, with the layer's name
 */
export function alexnet(options: AlexnetOptions = {}): NetworkDescription {
  checkOptions('alexnet', options, ['variant', 'classes', 'channels', 'inputSize', 'without']);
  const { variant = 'paper', channels = 3, without } = options;
  if (!isVariant(variant)) {
    throw new ConfigError(`variant: '${variant}' is unknown; choose one of ${Object.keys(blueprints).join(', ')}`);
  }
  const blueprint: Blueprint = blueprints[variant];
  const { classes = blueprint.classes, inputSize = blueprint.inputSize } = options;
  checkWholeNumber('alexnet', 'classes', classes, 2);
  checkWholeNumber('alexnet', 'channels', channels);
  checkWholeNumber('alexnet', 'inputSize', inputSize);
  const blocks = without === undefined ? blueprint.blocks : leaveOut(blueprint.blocks, without);
  const name = without === undefined ? variant : `${variant} without ${without}`;
  return build({ ...blueprint, blocks }, { name, channels, inputSize, classes });
}

function isVariant(name: string): name is Variant {
  return Object.hasOwn(blueprints, name);
}
