import type { ColourStatistics } from './statistics.js';

/** Pictures in ordinary memory: bytes, picture after picture, rows of interleaved channels (`[N, height, width, channels]`). */
export interface PictureBatch {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** 3 for red, green and blue, 1 for grey. */
  readonly channels: number;
  /** `count * height * width * channels` values from 0 to 255. */
  readonly pixels: Uint8Array;
  /** The class of each picture, an index into the data set's `classes`. */
  readonly labels: Uint32Array;
}

/** The pictures to learn from, or those held out: known by number, read on demand. */
export interface Split {
  readonly length: number;
  /** The class of each picture, an index into the data set's `classes`. */
  readonly labels: Uint32Array;
  /** The name of picture `i`, for errors and predictions. */
  pictureName(i: number): string;
  /**
   * Reads these pictures, in this order; a number may come twice.
   *
   * @throws ConfigError where there is no such picture; DataError where a file cannot be read as a picture.
   */
  read(indices: ArrayLike<number>): Promise<PictureBatch>;
}

/** Who made some of the pictures, and on what terms. */
export interface Licence {
  /** What is licensed: the name of the set of pictures. */
  readonly name: string;
  readonly author: string;
  /** Where the pictures come from. */
  readonly source: string;
  /** The licence's identifier in the SPDX list, such as `CC-BY-4.0`. */
  readonly licence: string;
  /** Where the licence can be read. */
  readonly url: string;
}

/** What is known of all training pictures without reading them. */
export interface DatasetStatistics {
  readonly colour: ColourStatistics;
  /** The mean of each value, `[channels, height, width]`, in grey levels from 0 to 255. */
  readonly meanPicture: Float32Array;
}

/** Labelled pictures of one size, parted into those to learn from and those held out. */
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
  /** The terms of pictures that come with the package. */
  readonly licences?: readonly Licence[];
}
