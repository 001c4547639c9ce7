// Launches ranks for tests, with every MPI that is installed here.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ownScript } from './own-script.js';

/** An installed MPI. */
export interface InstalledMpi {
  readonly name: string;
  readonly launcher: string;
  readonly arguments: readonly string[];
}

const known: readonly (InstalledMpi & { readonly saysOfItself: RegExp })[] = [
  {
    name: 'Open MPI',
    launcher: 'mpirun.openmpi',
    arguments: ['--oversubscribe', '--bind-to', 'none'],
    saysOfItself: /Open MPI/,
  },
  { name: 'MPICH', launcher: 'mpirun.mpich', arguments: [], saysOfItself: /HYDRA/ },
];

/** The MPIs of this machine, by Debian's names of their launchers, otherwise plain `mpirun`, whichever it is. */
export function installedMpis(): InstalledMpi[] {
  const says = (launcher: string) => {
    const { stdout, stderr } = spawnSync(launcher, ['--version'], { encoding: 'utf8' });
    return `${stdout ?? ''}${stderr ?? ''}`;
  };
  return known.flatMap(({ saysOfItself, ...mpi }) => {
    const launcher = [mpi.launcher, 'mpirun'].find((launcher) => saysOfItself.test(says(launcher)));
    return launcher === undefined ? [] : [{ ...mpi, launcher }];
  });
}

/** The result of a launch. */
export interface Ranks {
  readonly code: number | null;
  /** The output of the launcher and the ranks. */
  readonly output: string;
  /** The result of each rank, if it has one. */
  readonly found: readonly unknown[];
}

/**
 * Starts this many ranks of `ranks.fixture.ts` and waits for their end.
 *
 * @param size if omitted, the launcher gets no number
 */
export async function launch(
  mpi: InstalledMpi,
  size: number | undefined,
  name: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Ranks> {
  const folder = mkdtempSync(join(tmpdir(), 'alex-ranks-'));
  try {
    const node = [process.execPath, fileURLToPath(ownScript('ranks').url)];
    const child = spawn(
      mpi.launcher,
      [...mpi.arguments, ...(size === undefined ? [] : ['-np', String(size)]), ...node, name, folder],
      {
        // Containers run as root, which Open MPI refuses unless both variables allow it.
        env: {
          ...process.env,
          TMPDIR: folder,
          OMPI_ALLOW_RUN_AS_ROOT: '1',
          OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
          ...environment,
        },
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => (output += text));
    }
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    const found = Array.from({ length: size ?? 1 }, (_, rank) => {
      const file = join(folder, `${rank}.json`);
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as unknown) : undefined;
    });
    return { code, output, found };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
