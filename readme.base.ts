import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Runs the first TypeScript block of a package's README in a separate process, on the sources, like a reader who copies
 * it. The adapter is that of `ALEX_ADAPTER`, as in every test.
 *
 * @param testUrl - `import.meta.url` of a test in the package's `src`; the README is one folder up
 * @returns what the snippet printed
 * @throws Error with all output of the snippet if there is no snippet, or it fails
 */
export async function runReadme(testUrl: string): Promise<string> {
  const source = dirname(fileURLToPath(testUrl));
  const readme = join(source, '..', 'README.md');
  const snippet = firstSnippet(await readFile(readme, 'utf8'));
  if (snippet === undefined) throw new Error(`${readme} has no \`\`\`ts block`);
  return runSnippet(snippet, source, join(source, '..'));
}

/**
 * Runs TypeScript in a separate process, on the sources.
 *
 * @param source a package's `src`: the snippet's imports are resolved as in the package itself
 * @returns what the snippet printed
 * @throws Error with all output of the snippet if it fails
 */
export async function runSnippet(snippet: string, source: string, workingDirectory: string): Promise<string> {
  const folder = await mkdtemp(join(source, '.readme-'));
  try {
    const file = join(folder, 'snippet.ts');
    await writeFile(file, snippet);
    const temporary = join(folder, 'temporary');
    await mkdir(temporary);
    return await runFile(file, workingDirectory, temporary);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The text between the first ` ```ts ` (or ` ```typescript `) line and the next fence. */
export function firstSnippet(markdown: string): string | undefined {
  return /^```(?:ts|typescript)[^\S\n]*\r?\n([\s\S]*?)^```/m.exec(markdown)?.[1];
}

/** @param temporary for files that the snippet leaves in the temporary folder, as a reader's program may */
function runFile(file: string, workingDirectory: string, temporary: string): Promise<string> {
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
