/**
 * The two kinds of MPI, as data. Their functions have the same names; their handles (communicators, data types) do
 * not have the same form: Open MPI's are addresses of symbols, those of MPICH and its relatives are integers.
 */
export interface MpiLibrary {
  readonly name: string;
  /** The beginning of the text from `MPI_Get_library_version`. */
  readonly saysOfItself: RegExp;
  /** File names for the dynamic loader, by platform; the first one that loads is used. */
  readonly files: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>>;
  /** Variables with which its launcher gives a process its rank and the number of ranks. */
  readonly launcher: { readonly rank: string; readonly size: string };
  /** The C type of a handle. */
  readonly handle: 'uintptr_t' | 'int';
  /** Handles: a symbol of the library, or a number fixed by its binary interface. */
  readonly world: string | number;
  readonly byte: string | number;
  readonly returnErrors: string | number;
  /** The address that means "no status wanted", from `mpi.h`. */
  readonly ignoredStatus: number;
  /** Package to install on Debian. */
  readonly debian: string;
}

/** Open MPI 3, 4 and 5; names from its `mpi.h`. */
export const openMpi: MpiLibrary = {
  name: 'Open MPI',
  saysOfItself: /^Open MPI/,
  files: { linux: ['libmpi.so.40', 'libmpi.so'], darwin: ['libmpi.40.dylib', 'libmpi.dylib'] },
  launcher: { rank: 'OMPI_COMM_WORLD_RANK', size: 'OMPI_COMM_WORLD_SIZE' },
  handle: 'uintptr_t',
  world: 'ompi_mpi_comm_world',
  byte: 'ompi_mpi_byte',
  returnErrors: 'ompi_mpi_errors_return',
  ignoredStatus: 0,
  debian: 'openmpi-bin',
};

/**
 * MPICH and its relatives (Intel MPI, MVAPICH, Cray's): the values of the MPICH ABI compatibility initiative, as in the
 * `mpi.h` of MPICH 3 and 4.
 */
export const mpich: MpiLibrary = {
  name: 'MPICH',
  saysOfItself: /^(MPICH|Intel|MVAPICH|CRAY|ParaStation)/i,
  files: {
    linux: ['libmpich.so.12', 'libmpi.so.12', 'libmpi_cray.so.12'],
    darwin: ['libmpi.12.dylib', 'libmpich.dylib', 'libpmpi.12.dylib'],
  },
  launcher: { rank: 'PMI_RANK', size: 'PMI_SIZE' },
  handle: 'int',
  world: 0x44000000,
  byte: 0x4c00010d,
  returnErrors: 0x54000001,
  ignoredStatus: 1,
  debian: 'mpich',
};

export const mpiLibraries: readonly MpiLibrary[] = [openMpi, mpich];
