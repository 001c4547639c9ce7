import { describe, expect, it } from 'vitest';
import { launchedBy } from './launched.js';
import { mpich, openMpi } from './libraries.js';

describe('the launcher of a process', () => {
  it.each([
    ["Open MPI's mpirun", { OMPI_COMM_WORLD_SIZE: '3', OMPI_COMM_WORLD_RANK: '1', PMIX_RANK: '1' }, 3, [openMpi]],
    ["MPICH's mpirun", { PMI_SIZE: '4', PMI_RANK: '0' }, 4, [mpich]],
    ["Slurm's srun", { SLURM_STEP_NUM_TASKS: '8', PMI_RANK: '2', PMI_SIZE: '8' }, 8, [mpich, openMpi]],
    ["Slurm's srun", { SLURM_STEP_NUM_TASKS: '8', PMIX_RANK: '2' }, 8, [openMpi, mpich]],
    ['no launcher', { SLURM_STEP_NUM_TASKS: '1' }, 1, [openMpi, mpich]],
    ['no launcher', {}, 1, [openMpi, mpich]],
  ])('is recognized from its environment: %s', (by, environment, size, libraries) => {
    expect(launchedBy(environment)).toEqual({ by, size, libraries });
  });
});
