import { AlexError } from '@alex/tensor';

/** MPI is missing, was started by another launcher, or a call to it failed or took too long. Names rank, host and remedy. */
export class ClusterError extends AlexError {}
