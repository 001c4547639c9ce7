import type { GPUAdapter } from './webgpu.js';

/** What is known about an adapter before it is opened. */
export interface AdapterDescription {
  /** Position in `listAdapters()`. */
  readonly index: number;
  /** As reported by the driver: `llvmpipe (LLVM 15.0.6, 256 bits)`. In a browser: `nvidia ampere`, `google swiftshader`. */
  readonly name: string;
  /** `mesa`, `nvidia`, `apple` ... */
  readonly vendor: string;
  /** The family of the chip, if the driver reports it. */
  readonly architecture: string;
  /** Name and version of the driver. Browsers keep it secret: there, name and version of the browser. */
  readonly driver: string;
  /** Whether it is a GPU, or a software driver that runs on the CPU. */
  readonly kind: 'hardware' | 'software';
  /** Whether the driver is the one of `@alex/software-gpu`, not the machine's own. */
  readonly embedded: boolean;
  /** PCI address, such as `0000:43:00.0`, which tells adapters of the same name apart. */
  readonly bus?: string;
  /**
   * The number of further adapters with this name that cannot be opened, because nothing distinguishes them
   * (`docs/adapters.md`).
   */
  readonly outOfReach?: number;
}

/** An adapter, and how to request it. */
export interface Found {
  readonly description: AdapterDescription;
  /** Requests the adapter from the driver; a new one each time, since an adapter provides only one device. */
  readonly request: () => Promise<GPUAdapter | null>;
}

/** How adapters are looked for. */
export interface SearchOptions {
  /** Environment variables that drivers and the loader see. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Whether kernels are kept within their buffers. */
  readonly boundsChecks?: boolean | undefined;
}

/** The result of a search. */
export interface Search {
  /** The best one first. */
  readonly found: readonly Found[];
  /** If there is none: why, and the remedy. */
  readonly whyNone: string;
}

/** Adds or removes a listener of a process, with the values of each event. */
interface Listening<Process> {
  (event: 'message', listener: (message: unknown) => void): Process;
  (event: 'close' | 'exit', listener: (code: number | null, signal: string | null) => void): Process;
  (event: 'error', listener: (error: Error) => void): Process;
}

/** Another process of this program, with the methods of Node's `ChildProcess`. */
export interface SeparateProcess {
  readonly connected: boolean;
  readonly exitCode: number | null;
  readonly signalCode: string | null;
  on: Listening<this>;
  off: Listening<this>;
  send(message: object, sent: (error: Error | null) => void): unknown;
  kill(signal: 'SIGKILL'): unknown;
}

/** Texts that outlast the program: files, or entries of a browser's database. */
export interface StoredTexts {
  /** The path of a text in a folder. */
  join(folder: string, name: string): string;
  /** Undefined if there is none. */
  read(path: string): Promise<string | undefined>;
  /** Creates a folder, if it is missing, which only this user can read. */
  makeFolder(path: string): Promise<void>;
  /** Writes the whole text or nothing: a reader never sees half of it. */
  write(path: string, text: string): Promise<void>;
}

/**
 * Everything in which Node and browsers differ for Alex. The package's import `#platform` is one of its two
 * implementations; no other module knows on which one it runs.
 */
export interface Platform {
  /**
   * The adapters of this machine.
   *
   * @throws ConfigError for an option that this platform cannot offer
   */
  findAdapters(options: SearchOptions): Promise<Search>;
  /**
   * Whether a pending promise of an adapter keeps a core busy, as the `webgpu` package does. If so, long waits are mostly
   * slept through, because a software driver needs that core itself.
   */
  readonly pollsWhilePending: boolean;
  /** Cores that this program may use. */
  cores(): number;
  /** Bytes of memory that this program may use at most; Infinity if that is unknown. */
  memoryBytes(): number;
  /** Calls `work` when the program ends, until {@link notAtExit}. */
  atExit(work: () => void): void;
  notAtExit(work: () => void): void;
  /** The value of an environment variable. */
  variable(name: string): string | undefined;
  /**
   * Starts a script that survives nothing but itself: if it crashes, this program continues. Undefined if the platform
   * has no processes.
   *
   * @param script default: the one of this package that tries candidates
   */
  readonly startProcess: ((script?: URL) => SeparateProcess) | undefined;
  /** Whether a path means a file, which a user can copy to other machines. */
  readonly hasFiles: boolean;
  readonly texts: StoredTexts;
}
