/** What can be known of an adapter before it is opened. */
export interface AdapterDescription {
  /** Position in `listAdapters()`. */
  readonly index: number;
  /** As the driver names it: `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  readonly kind: 'hardware' | 'software';
  /** Whether the driver came with the project instead of the machine. */
  readonly embedded: boolean;
}
