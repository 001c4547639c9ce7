/** Images in ordinary memory: bytes, image after image, rows of interleaved channels (`[N, height, width, channels]`). */
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

/** The images to learn from, or those held out: known by number, read on demand. */
export interface Split {
  readonly length: number;
  /** The class of each image, an index into the data set's `classes`. */
  readonly labels: Uint32Array;
  /** The name of image `i`, for errors and predictions. */
  imageName(i: number): string;
  /**
   * Reads these images, in this order; a number may come twice.
   *
   * @throws ConfigError where there is no such image; DataError where a file cannot be read as an image.
   */
  read(indices: ArrayLike<number>): Promise<ImageBatch>;
  /**
   * A checksum of what all images hold, in their order: of the bytes of their files, or of their pixels where they have none. Left
   * out where nobody knows it.
   *
   * @throws DataError where a file cannot be read.
   */
  contentHash?(): Promise<string>;
}

/** How the colours of images are spread, in pixel values from 0 to 255: what the paper's colour shifts are drawn from. */
export interface ColourStatistics {
  /** The mean of each channel. */
  readonly mean: readonly number[];
  /** `covariance[a][b]` of channels a and b over all pixels. */
  readonly covariance: readonly (readonly number[])[];
  /** Principal components of the covariance, one a row, of length 1, the one of the largest eigenvalue first. */
  readonly axes: readonly (readonly number[])[];
  /** Variance along each axis. */
  readonly eigenvalues: readonly number[];
  /** Square roots of the eigenvalues: by these the 2012 code scales its colour shifts. */
  readonly standardDeviations: readonly number[];
}

/** Who made some of the images, and on what terms. */
export interface Licence {
  /** What is licensed: the name of the set of images. */
  readonly name: string;
  readonly author: string;
  /** Where the images come from. */
  readonly source: string;
  /** The licence's identifier in the SPDX list, such as `CC-BY-4.0`. */
  readonly licence: string;
  /** Where the licence can be read. */
  readonly url: string;
}

/** What is known of all training images without reading them. */
export interface DatasetStatistics {
  readonly colour: ColourStatistics;
  /** The mean of each value, `[channels, height, width]`, in pixel values from 0 to 255. */
  readonly meanImage: Float32Array;
}

/** Labelled images of one size, parted into those to learn from and those held out. */
export interface Dataset {
  readonly name: string;
  /** A readable name for each label, all different. */
  readonly classes: readonly string[];
  /** The number of each class in submissions to the contest that the data come from (ILSVRC), where it has one. */
  readonly numbers?: readonly number[];
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly train: Split;
  readonly validation: Split;
  /** Of data that were prepared. */
  readonly statistics?: DatasetStatistics;
  /** The terms of images that come with the package. */
  readonly licences?: readonly Licence[];
  /** What somebody should know about how the data were read, such as what was left out: sentences, one a kind. */
  readonly remarks?: readonly string[];
}
