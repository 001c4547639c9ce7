/** A network as `export --format browser` writes it and the site's page for classification reads it. */
export interface BrowserModel {
  readonly format: 'alex-browser-1';
  readonly model: { readonly variant: string; readonly inputSize: number };
  readonly classes: readonly string[];
  /** How pixels become the network's input. */
  readonly images: {
    readonly height: number;
    readonly width: number;
    readonly channels: number;
    readonly mean: readonly number[];
    /** Float32 values in base64, `[C, H, W]`, instead of `mean`. */
    readonly meanImage?: string;
    readonly scale: number;
    readonly padding: number;
  };
  /** Names of the files next to this one, with the weights in 16 bits. */
  readonly files: readonly string[];
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    /** Index of its file, and its first byte there. */
    readonly file: number;
    readonly offset: number;
  }[];
}
