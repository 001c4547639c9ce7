/** Images in host memory: bytes, image after image, rows of interleaved channels (`[N, height, width, channels]`). */
export interface ImageBatch {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** 3 for red, green and blue, 1 for grey. */
  readonly channels: number;
  /** `count * height * width * channels` values from 0 to 255. */
  readonly pixels: Uint8Array;
  /** The class of each image, an index into the data set's `classes`. */
  readonly labels: Uint32Array;
}

/** The training or validation images: identified by number, read on demand. */
export interface Split {
  readonly length: number;
  /** The class of each image, an index into the data set's `classes`. */
  readonly labels: Uint32Array;
  /** The name of image `i`, for errors and predictions. */
  imageName(i: number): string;
  /**
   * Reads these images, in this order; a number may occur twice.
   *
   * @throws ConfigError if there is no such image; DataError if a file cannot be read as an image.
   */
  read(indices: ArrayLike<number>): Promise<ImageBatch>;
  /**
   * A checksum of the contents of all images, in their order: of the bytes of their files, or of their pixels if they have no
   * files. Omitted if it is not known.
   *
   * @throws DataError if a file cannot be read.
   */
  contentHash?(): Promise<string>;
}

/**
 * The distribution of the images' colours, in pixel values from 0 to 255, from which the paper's colour shifts are
 * sampled.
 */
export interface ColourStatistics {
  /** The mean of each channel. */
  readonly mean: readonly number[];
  /** `covariance[a][b]` of channels a and b over all pixels. */
  readonly covariance: readonly (readonly number[])[];
  /** Principal components of the covariance, one per row, of length 1, the one with the largest eigenvalue first. */
  readonly axes: readonly (readonly number[])[];
  /** Variance along each axis. */
  readonly eigenvalues: readonly number[];
  /** Square roots of the eigenvalues, by which the 2012 code scales its colour shifts. */
  readonly standardDeviations: readonly number[];
}

/** The authors of some of the images, and their terms. */
export interface Licence {
  /** The name of the licensed set of images. */
  readonly name: string;
  readonly author: string;
  /** Where the images come from. */
  readonly source: string;
  /** The licence's identifier in the SPDX list, such as `CC-BY-4.0`. */
  readonly licence: string;
  /** The text of the licence. */
  readonly url: string;
}

/** Statistics of all training images, available without reading them. */
export interface DatasetStatistics {
  readonly colour: ColourStatistics;
  /** The mean of each value, `[channels, height, width]`, in pixel values from 0 to 255. */
  readonly meanImage: Float32Array;
}

/** Labelled images of one size, divided into training and validation images. */
export interface Dataset {
  readonly name: string;
  /** A readable name for each label, all different. */
  readonly classes: readonly string[];
  /** The number of each class in submissions to the contest that the data come from (ILSVRC), if there is one. */
  readonly numbers?: readonly number[];
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly train: Split;
  readonly validation: Split;
  /** Only for prepared data. */
  readonly statistics?: DatasetStatistics;
  /** The licences of images that are part of the package. */
  readonly licences?: readonly Licence[];
  /** Remarks about how the data were read, such as skipped files: one sentence for each kind. */
  readonly remarks?: readonly string[];
}
