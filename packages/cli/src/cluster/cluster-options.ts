import { Option } from 'commander';
import { positiveNumber } from '../options.js';

/** Options for commands that several processes can run together. */
export const clusterOptions = (precision: boolean): Option[] => [
  new Option(
    '--cluster <kind>',
    'work together with the other processes that a launcher started (mpirun, srun), on one machine or several: mpi',
  ).choices(['mpi']),
  ...(precision
    ? [
        new Option(
          '--cluster-precision <name>',
          'how gradients travel between processes: float32, or float16, half the bytes (default: float32)',
        ).choices(['float32', 'float16']),
      ]
    : []),
  new Option(
    '--cluster-time-limit <seconds>',
    'longest wait for the other processes before the command fails (default: 600)',
  ).argParser(positiveNumber),
];
