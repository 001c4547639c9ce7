import { spawn } from 'node:child_process';
import { Console } from 'node:console';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Runs a TypeScript file in a working directory, and returns what it printed. */
type Runner = (file: string, workingDirectory: string, temporary: string) => Promise<string>;

/**
 * Runs the first TypeScript block of a package's README, on the sources, like a reader who copies it. The adapter is the one
 * of `ALEX_ADAPTER`, as in every test. (`npm run check:packages` runs it in a process, on the installed packages.)
 *
 * @param testUrl - `import.meta.url` of a test in the package's `src`; the README is one folder above that
 * @param run where it runs: in this process, or by {@link alone}
 * @returns what the snippet printed
 * @throws Error with all output of the snippet if there is no snippet, or it fails
 */
export async function runReadme(testUrl: string, run: Runner = here): Promise<string> {
  const source = dirname(fileURLToPath(testUrl));
  const readme = join(source, '..', 'README.md');
  const snippet = firstSnippet(await readFile(readme, 'utf8'));
  if (snippet === undefined) throw new Error(`${readme} has no \`\`\`ts block`);
  return runSnippet(snippet, source, join(source, '..'), run);
}

/**
 * Runs TypeScript on the sources.
 *
 * @param source a package's `src`: the snippet's imports are resolved as in the package itself
 * @returns what the snippet printed
 * @throws Error with all output of the snippet if it fails
 */
export async function runSnippet(
  snippet: string,
  source: string,
  workingDirectory: string,
  run: Runner = here,
): Promise<string> {
  const folder = await mkdtemp(join(source, '.readme-'));
  try {
    const file = join(folder, 'snippet.ts');
    await writeFile(file, snippet);
    // For files that the snippet leaves in the folder for temporary files, as a reader's snippet may.
    const temporary = join(folder, 'temporary');
    await mkdir(temporary);
    return await run(file, workingDirectory, temporary);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The text between the first ` ```ts ` (or ` ```typescript `) line and the next fence. */
export function firstSnippet(markdown: string): string | undefined {
  return /^```(?:ts|typescript)[^\S\n]*\r?\n([\s\S]*?)^```/m.exec(markdown)?.[1];
}

/** In this process: a separate one would spend more time on reading the sources than on the snippet. */
async function here(file: string, workingDirectory: string, temporary: string): Promise<string> {
  const { console: consoleBefore } = globalThis;
  const directoryBefore = process.cwd();
  const { TMPDIR: temporaryBefore } = process.env;
  let output = '';
  let everything = '';
  const heard = (hear: (text: string) => void) =>
    new Writable({
      write(chunk, _encoding, done) {
        hear(String(chunk));
        done();
      },
    });
  const stdout = heard((text) => {
    output += text;
    everything += text;
  });
  const stderr = heard((text) => {
    everything += text;
  });
  globalThis.console = new Console(stdout, stderr);
  process.chdir(workingDirectory);
  process.env['TMPDIR'] = temporary;
  try {
    await import(/* @vite-ignore */ pathToFileURL(file).href);
    return output;
  } catch (error) {
    throw new Error(`the snippet failed: ${error}\n${everything}`, { cause: error });
  } finally {
    globalThis.console = consoleBefore;
    process.chdir(directoryBefore);
    if (temporaryBefore === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = temporaryBefore;
  }
}

/** In a separate process, for snippets that change the process. */
export function alone(file: string, workingDirectory: string, temporary: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=@alex/source', '--import', import.meta.resolve('tsx'), file], {
      cwd: workingDirectory,
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let everything = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      everything += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      everything += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`the snippet ended with ${signal ?? `exit code ${code}`}:\n${everything}`));
    });
  });
}
