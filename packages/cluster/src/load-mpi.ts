import koffi from 'koffi';
import { ClusterError } from './errors.js';
import type { Launched } from './launched.js';
import { type MpiLibrary, mpiLibraries } from './libraries.js';

/** An address in koffi's form, or a number. */
export type Handle = bigint | number;

/** The MPI functions in use. `H` is a handle. */
const parameters = {
  MPI_Init_thread: 'void*, void*, int, _Out_ int*',
  MPI_Comm_set_errhandler: 'H, H',
  MPI_Comm_rank: 'H, _Out_ int*',
  MPI_Comm_size: 'H, _Out_ int*',
  MPI_Get_library_version: 'void*, _Out_ int*',
  MPI_Error_string: 'int, void*, _Out_ int*',
  MPI_Test: 'void*, _Out_ int*, uintptr_t',
  MPI_Ibcast: 'void*, int, H, int, H, void*',
  MPI_Isend: 'void*, int, H, int, int, H, void*',
  MPI_Irecv: 'void*, int, H, int, int, H, void*',
  MPI_Abort: 'H, int',
  MPI_Finalize: '',
} as const;

/** C functions of MPI by name; they return 0 if they succeed. */
export type MpiFunctions = Readonly<Record<keyof typeof parameters, (...values: unknown[]) => number>>;

/** An MPI library in this process. */
export interface LoadedMpi {
  readonly library: MpiLibrary;
  readonly functions: MpiFunctions;
  /** The value of a handle that a library defines by a symbol or a number. */
  readonly handle: (value: string | number) => Handle;
}

type Loaded = ReturnType<typeof koffi.load>;

/**
 * UCX, a transport of both libraries, rewrites `mmap` and its kin in memory while Node's other threads run them, and takes over
 * signals that V8 uses: ranks crash now and then. Neither is needed here. A user's own settings stay.
 */
const quietUcx = { UCX_MEM_EVENTS: 'no', UCX_ERROR_SIGNALS: '' };

/**
 * Loads the library that a launcher's processes find each other through.
 *
 * @param files file names or paths to try instead of the usual ones
 * @throws ClusterError that says which files were tried and what to install
 */
export function loadMpi(launched: Launched, files?: readonly string[]): LoadedMpi {
  for (const [name, value] of Object.entries(quietUcx)) process.env[name] ??= value;
  const wanted = launched.libraries;
  const tried = files ?? wanted.flatMap((library) => library.files[process.platform] ?? []);
  const reasons: string[] = [];
  for (const file of tried) {
    let loaded: Loaded;
    try {
      // Global, because MPI opens plug-ins that need its symbols.
      loaded = koffi.load(file, { global: true, lazy: true });
    } catch (error) {
      reasons.push(`${file}: ${(error as Error).message.replaceAll('\n', ' ')}`);
      continue;
    }
    const library = kindOf(file, loaded);
    if (!wanted.includes(library)) {
      throw new ClusterError(
        `${file} is ${library.name}, but this process was started by ${launched.by}: its ranks would not find each other. ` +
          `Start it by the mpirun of ${library.name}, or name a library of ${wanted.map(({ name }) => name).join(' or ')}`,
      );
    }
    return { library, ...functionsOf(loaded, library) };
  }
  throw new ClusterError(
    `no MPI library could be loaded (${reasons.join('; ') || `none is known for ${process.platform}`}). Install ` +
      `${wanted.map(({ name, debian }) => `${name} (Debian: ${debian})`).join(' or ')}, or name its library`,
  );
}

/** The kind of a library, from its version text, which is available before MPI is initialized. */
function kindOf(file: string, loaded: Loaded): MpiLibrary {
  const text = Buffer.alloc(8192);
  const length = [0];
  try {
    loaded.func(`int MPI_Get_library_version(${parameters.MPI_Get_library_version})`)(text, length);
  } catch {
    throw new ClusterError(`${file} is not an MPI library: it has no MPI_Get_library_version`);
  }
  const version = text.toString('utf8', 0, length[0]);
  const library = mpiLibraries.find(({ saysOfItself }) => saysOfItself.test(version));
  if (library) return library;
  throw new ClusterError(
    `${file} calls itself "${version.split('\n')[0]}", which is not known here: Open MPI and MPICH with its relatives are`,
  );
}

function functionsOf(loaded: Loaded, { handle: type }: MpiLibrary): Omit<LoadedMpi, 'library'> {
  const functions = Object.fromEntries(
    Object.entries(parameters).map(([name, list]) => [
      name,
      loaded.func(`int ${name}(${list.replaceAll(/\bH\b/g, type)})`),
    ]),
  ) as unknown as MpiFunctions;
  const handle = (value: string | number): Handle =>
    typeof value === 'number' ? value : koffi.address(loaded.symbol(value, 'char'));
  return { functions, handle };
}
