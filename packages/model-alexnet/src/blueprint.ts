import { ConfigError, type ReadsFrom } from '@alex/tensor';

/** A step that follows a learned layer. Its layer gets the learned layer's number: `relu2` follows `conv2`. */
export type Step = (
  | { readonly kind: 'relu' }
  | {
      readonly kind: 'normalization';
      readonly size: number;
      readonly alpha: number;
      readonly beta: number;
      readonly k: number;
      readonly alphaPerElement: boolean;
      readonly across: 'maps' | 'space';
    }
  | {
      readonly kind: 'maxPool';
      readonly size: number;
      readonly stride: number;
      readonly rounding: 'floor' | 'ceil';
      readonly ties: 'first' | 'all';
    }
  | {
      readonly kind: 'averagePool';
      readonly size: number;
      readonly stride: number;
      readonly rounding: 'floor' | 'ceil';
    }
  | { readonly kind: 'dropout'; readonly probability: number; readonly inverted: boolean }
) & {
  /** Only if it differs from the learned layer's. */
  readonly number?: number;
};

/**
 * Standard deviation of the weights' normal distribution: a number, or the square root of `overInputs` divided by the
 * inputs of one unit (its fan-in).
 */
export type Deviation = number | { readonly overInputs: number };

export interface Block {
  readonly kind: 'convolution' | 'local' | 'dense';
  /** Ends with the layer's number, which the following steps share. */
  readonly name: string;
  /** Filters or units of all columns together; `classes` in the last layer. */
  readonly width: number | 'classes';
  /** Height and width of a filter; dense layers have none. */
  readonly kernel?: number;
  /** Default: 1. */
  readonly stride?: number;
  /**
   * Zeros around the maps. Default: 0. `overhang` pads only the right and bottom sides, just enough to include a last
   * window that extends beyond the edge, as in the 2012 code.
   */
  readonly padding?: number | 'overhang';
  /** Default: the number of columns for a layer that reads its own column, 1 for a layer that reads all. */
  readonly groups?: number;
  /** Default: its own column. */
  readonly from?: ReadsFrom;
  readonly deviation: Deviation;
  /** Initial value of the biases. Default: 0. */
  readonly bias?: number;
  readonly steps: readonly Step[];
}

/** A network in the form of the tables of papers and configuration files. */
export interface Blueprint {
  /** One line for lists and help texts. */
  readonly about: string;
  /** Default height and width of the image. */
  readonly inputSize: number;
  /** Default number of classes. */
  readonly classes: number;
  readonly columns: number;
  readonly blocks: readonly Block[];
}

/** The same blocks, with some properties of the named blocks changed. */
export function change(blocks: readonly Block[], changes: Readonly<Record<string, Partial<Block>>>): readonly Block[] {
  return blocks.map((block) => ({ ...block, ...changes[block.name] }));
}

/** The same blocks, with each step replaced by the result of `replace`; an empty result removes the step. */
export function changeSteps(blocks: readonly Block[], replace: (step: Step) => readonly Step[]): readonly Block[] {
  return blocks.map((block) => ({ ...block, steps: block.steps.flatMap(replace) }));
}

/**
 * The same blocks without one learned layer between the first and the last. Its activation, normalization and dropout
 * are removed as well. Its pooling stays, so that the layers above get maps of the size that they were designed for.
 *
 * @throws ConfigError if no middle layer has that name
 */
export function leaveOut(blocks: readonly Block[], name: string): readonly Block[] {
  const index = blocks.findIndex((block) => block.name === name);
  const removed = blocks[index];
  const below = blocks[index - 1];
  if (removed === undefined || below === undefined || index === blocks.length - 1) {
    const middle = blocks.slice(1, -1).map((block) => block.name);
    throw new ConfigError(
      `without: '${name}' is not a middle layer of this network; choose one of ${middle.join(', ')}`,
    );
  }
  const pooling = removed.steps
    .filter((step) => step.kind === 'maxPool' || step.kind === 'averagePool')
    .map((step) => ({ number: numberOf(removed), ...step }));
  return [...blocks.slice(0, index - 1), { ...below, steps: [...below.steps, ...pooling] }, ...blocks.slice(index + 1)];
}

/** The number in a block's name: 2 for `conv2`. */
export function numberOf(block: Block): number {
  return Number(/\d+$/.exec(block.name)?.[0]);
}
