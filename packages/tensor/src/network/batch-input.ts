import { ConfigError, ShapeError } from '../errors.js';
import type { Tensor } from '../kernel/tensor.js';
import { checkHostTensor, formatShape, type HostTensor, kindOfArray } from '../shape.js';
import type { NetworkDescription } from './description.js';
import type { Stations } from './stations.js';

/** Writes batches to the adapters. */
export class BatchInput {
  readonly #description: NetworkDescription;
  readonly #stations: Stations;
  readonly #batch: number;
  readonly #stagedLabels: Uint32Array;

  constructor(description: NetworkDescription, stations: Stations, batch: number) {
    this.#description = description;
    this.#stations = stations;
    this.#batch = batch;
    this.#stagedLabels = new Uint32Array(batch);
  }

  /** Like {@link fill}, for images that must have labels. */
  fillLabelled(images: HostTensor | Tensor, labels: ArrayLike<number>, exactly?: number): number {
    if (typeof labels !== 'object' || labels === null || !Number.isInteger(labels.length)) {
      throw new ShapeError(`${this.#description.name}: labels must be one number per image, got ${String(labels)}`);
    }
    return this.fill(images, labels, exactly);
  }

  /** Uploads images and labels to the adapters; returns the number of images. */
  fill(images: HostTensor | Tensor, labels: ArrayLike<number> | undefined, exactly?: number): number {
    if (!Array.isArray(images?.shape)) {
      throw new ShapeError(
        `${this.#description.name}: images are given as { shape: [N, ${this.#description.input.join(', ')}], data }, got ` +
          kindOfArray(images),
      );
    }
    const filled = images === this.#stations.first.tensors.input;
    const [count = 0, ...image] = filled ? [this.#batch, ...this.#description.input] : images.shape;
    const fits = image.length === 3 && image.every((size, axis) => size === this.#description.input[axis]);
    if (!fits || count < 1 || count > this.#batch || (exactly !== undefined && count !== exactly)) {
      const allowed = exactly === undefined ? `1 to ${this.#batch}` : `${exactly}`;
      throw new ShapeError(
        `${this.#description.name}: takes [${allowed}, ${this.#description.input.join(', ')}] images, got ${formatShape(images.shape)}`,
      );
    }
    if ('data' in images) checkHostTensor(`${this.#description.name}: images`, images);
    const checked = labels && this.#checkLabels(labels, count, images);
    if (!('data' in images) && !filled) this.#checkPlace(images);
    for (const station of this.#stations.all) {
      if (checked) station.writeLabels(checked);
      if ('data' in images) station.writeImages(images);
      else if (!filled) station.copyImages(images);
    }
    return count;
  }

  #checkPlace(images: Tensor): void {
    const { name } = this.#description;
    if (this.#stations.all.length > 1) {
      throw new ConfigError(
        `${name}: is on ${this.#stations.all.length} adapters, each with its own input; fill all of its inputs and ` +
          'pass its input',
      );
    }
    if (images.shape[0] !== this.#batch) {
      throw new ShapeError(`${name}: images on the adapter must be ${this.#batch} images, got ${images.shape[0]}`);
    }
  }

  #checkLabels(labels: ArrayLike<number>, count: number, images: HostTensor | Tensor): Uint32Array {
    const classes = this.#description.output[0]!;
    const onAdapter = !('data' in images);
    // Images that are already on the adapter fill the whole batch; the last of them may be without labels.
    if (onAdapter ? labels.length > count || labels.length < 1 : labels.length !== count) {
      throw new ShapeError(`${this.#description.name}: ${count} images need ${count} labels, got ${labels.length}`);
    }
    const checked = this.#stagedLabels.fill(0);
    for (let image = 0; image < labels.length; image++) {
      const label = labels[image]!;
      if (!Number.isInteger(label) || label < 0 || label >= classes) {
        throw new ShapeError(
          `${this.#description.name}: label ${label} of image ${image} is not one of 0 to ${classes - 1}`,
        );
      }
      checked[image] = label;
    }
    return checked;
  }
}
