/** The resolution of images on a page. */
export interface ImageDetail {
  /** Pixels of the image per pixel of the page. */
  readonly density: number;
  /** JPEG quality, from 1 to 100. */
  readonly quality: number;
}

/** From the highest, for high-density screens, to the smallest file. */
export const imageDetails: readonly ImageDetail[] = [
  { density: 2, quality: 86 },
  { density: 1, quality: 80 },
  { density: 1, quality: 40 },
];
