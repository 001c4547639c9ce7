import { elementsPerImage } from '@alex/tensor/kernels';
import type { Chain, Handler } from '../chain.js';
import { resolvedShape } from '../constants.js';
import type { Node } from '../node.js';

/** `Flatten`, `Reshape`, `Squeeze` and `Unsqueeze` of what comes from the layers. */
export const reshape: Handler = (chain, node) => {
  node.checkAttributes('shape', 'allowzero', 'axis', 'axes');
  const wanted = wantedShape(chain, node);
  const [images = 1, ...sizes] = wanted;
  const [, channels = 0, ...maps] = chain.shape;
  const regroups = wanted.length === 4 && chain.shape.length === 4 && sizes.slice(1).join() === maps.join();
  if (chain.groups > 1) {
    if (!regroups || sizes[0] !== chain.own[1]) refuse(chain, node, wanted);
    chain.groups = 1;
  } else if (regroups && sizes[0]! < channels && channels % sizes[0]! === 0) {
    chain.groups = channels / sizes[0]!;
  } else if (images !== chain.shape[0] || elementsPerImage(wanted) !== elementsPerImage(chain.own)) {
    refuse(chain, node, wanted);
  } else if (wanted.length === 4 && chain.own.length === 4 && sizes.join() !== chain.own.slice(1).join()) {
    refuse(chain, node, wanted);
  } else if (wanted.length === 4 && chain.own.length === 2 && sizes.slice(1).join() !== '1,1') {
    refuse(chain, node, wanted);
  }
  chain.pass(node, wanted);
};

function wantedShape(chain: Chain, node: Node): number[] {
  const { shape } = chain;
  const axesOf = () =>
    node.ints('axes') ?? (node.inputs[1] ? Array.from(chain.constant(node, 1, 'axes').data) : undefined);
  switch (node.operator) {
    case 'Flatten':
      node.mustBe('axis', 1);
      return [shape[0]!, elementsPerImage(shape)];
    case 'Squeeze': {
      const places = axesOf()?.map((axis) => (axis + shape.length) % shape.length);
      return shape.filter((size, axis) => axis === 0 || (places ? !places.includes(axis) : size !== 1));
    }
    case 'Unsqueeze': {
      const axes = axesOf() ?? [];
      const wanted = [...shape];
      const rank = shape.length + axes.length;
      for (const axis of axes.map((one) => (one + rank) % rank).sort()) wanted.splice(axis, 0, 1);
      return wanted;
    }
    default:
      return resolvedShape(shape, node.ints('shape') ?? Array.from(chain.constant(node, 1, 'shape').data));
  }
}

function refuse(chain: Chain, node: Node, wanted: readonly number[]): never {
  return node.refuse(
    `makes [${wanted.join(', ')}] of [${chain.shape.join(', ')}]; only flattening each image, and dividing maps into groups for LRN, is understood`,
  );
}

/** `Transpose` of images whose channels come last. */
export const transpose: Handler = (chain, node) => {
  const perm = node.ints('perm')?.join();
  if (chain.layers.length > 0 || perm !== '0,3,1,2') {
    node.refuse(
      `changes the order of the axes to ${perm ?? 'the opposite'}; only images [N, H, W, C] are turned, into [N, C, H, W]`,
    );
  }
  chain.turn(node);
};

/** `Cast` between types of floating point, or of whole pixels. */
export const cast: Handler = (chain, node) => chain.pass(node);

/** `Gather` of the images' channels. */
export const gather: Handler = (chain, node) => {
  if (chain.layers.length > 0 || node.int('axis', 0) !== 1)
    node.refuse('only the channels of the images are put in another order');
  chain.images.reorder(node, Array.from(chain.constant(node, 1, 'order').data));
  chain.pass(node);
};

/** `Slice` of the images. */
export const slice: Handler = (chain, node) => {
  const list = (attribute: string, index: number) =>
    node.ints(attribute) ?? (node.inputs[index] ? Array.from(chain.constant(node, index, attribute).data) : undefined);
  const [starts = [], ends = []] = [list('starts', 1), list('ends', 2)];
  const axes = list('axes', 3) ?? starts.map((_, axis) => axis);
  const steps = list('steps', 4) ?? starts.map(() => 1);
  if (chain.layers.length > 0 || axes.some((axis) => axis < 2) || steps.some((step) => step !== 1)) {
    node.refuse('only the height and width of the images are cut');
  }
  const sizes = chain.shape.slice(2);
  const begin = [0, 0];
  const end = [...sizes];
  for (const [i, axis] of axes.entries()) {
    const size = sizes[axis - 2]!;
    const place = (at: number) => Math.min(size, Math.max(0, at < 0 ? at + size : at));
    begin[axis - 2] = place(starts[i]!);
    end[axis - 2] = place(ends[i]!);
  }
  const [height, width] = [end[0]! - begin[0]!, end[1]! - begin[1]!];
  chain.images.crop(node, begin as [number, number], [height, width]);
  chain.own = [chain.own[0]!, chain.own[1]!, height, width];
  chain.pass(node, chain.own);
};
