/** How finely images are drawn on a page. */
export interface ImageDetail {
  /** Pixels of the image for each of the page's. */
  readonly density: number;
  /** Of JPEG, from 1 to 100. */
  readonly quality: number;
}

/** From the finest: for screens that have two pixels for one, down to what takes least. */
export const imageDetails: readonly ImageDetail[] = [
  { density: 2, quality: 86 },
  { density: 1, quality: 80 },
  { density: 1, quality: 40 },
];
