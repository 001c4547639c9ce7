import { type MpiLibrary, mpich, openMpi } from './libraries.js';

/** What a launcher told this process in its environment. */
export interface Launched {
  /** The launcher, for messages. */
  readonly by: string;
  /** The number of ranks that it started. */
  readonly size: number;
  /** The libraries that its ranks can find each other through, the most likely first. */
  readonly libraries: readonly MpiLibrary[];
}

/**
 * The launcher of this process. Slurm's `srun` works with both kinds of library, and sets MPICH's variables with PMI 1 or 2,
 * so there the variables do not identify the library.
 */
export function launchedBy(environment: NodeJS.ProcessEnv): Launched {
  const sizeOf = (name: string) => Number(environment[name]);
  const slurm = sizeOf('SLURM_STEP_NUM_TASKS');
  if (openMpi.launcher.size in environment) {
    return { by: "Open MPI's mpirun", size: sizeOf(openMpi.launcher.size), libraries: [openMpi] };
  }
  if (slurm > 0 && ('PMI_RANK' in environment || 'PMIX_RANK' in environment)) {
    const [first, second] = 'PMIX_RANK' in environment ? [openMpi, mpich] : [mpich, openMpi];
    return { by: "Slurm's srun", size: slurm, libraries: [first, second] };
  }
  if (mpich.launcher.size in environment) {
    return { by: "MPICH's mpirun", size: sizeOf(mpich.launcher.size), libraries: [mpich] };
  }
  return { by: 'no launcher', size: 1, libraries: [openMpi, mpich] };
}

/** How many processes a launcher (`mpirun`, `srun`) started together with this one, this one included; 1 without a launcher. */
export function launchedRanks(): number {
  return launchedBy(process.env).size;
}
