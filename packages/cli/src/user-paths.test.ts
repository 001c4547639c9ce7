import { execFile } from 'node:child_process';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const temporary = temporaryFolder();
/** Characters that shells, URLs and patterns interpret. */
const folder = join(temporary, "o'brien #1 50%20 $HOME", 'a?b');
const repository = fileURLToPath(new URL('../../..', import.meta.url));
const training = ['train', '--model', 'small', '--crop', '24', '--batch', '4', '--steps', '2', '--tune', 'off'];

beforeAll(async () => {
  await mkdir(folder, { recursive: true });
  await writeImages(join(folder, 'my images'), ['blue', 'green', 'red']);
});

async function succeeds(args: readonly string[], directory = folder) {
  const result = await runCommand(args, { directory });
  expect(result.code, result.stderr).toBe(0);
  return result;
}

describe('a folder with a difficult name', () => {
  it('works for every command, and relative paths start from the working directory', async () => {
    await succeeds(['prepare', '--source', 'folder', '--from', 'my images', '--to', 'data #1', '--size', '32']);
    await succeeds([...training, '--data', 'data #1', '--run', 'runs/50%20', '--trace', 'trace?.json']);
    await succeeds(['train', '--run', 'runs/50%20', '--resume', '--steps', '3']);
    await succeeds(['classify', 'my images/red/0.png', '--run', 'runs/50%20']);
    await succeeds(['report', '--run', 'runs/50%20']);
    await succeeds(['augment', 'my images/red/0.png', '--to', '#.png', '--size', '32', '--crop', '24']);
    await succeeds([...training, '--data', 'my images', '--from', 'runs/50%20', '--run', 'runs/from']);
    // A run knows where its data are, from whichever folder it is used.
    await succeeds(['evaluate', '--run', '50%20', '--predictions', 'p?.txt'], join(folder, 'runs'));
    for (const made of ['runs/50%20/report.html', 'trace?.json', '#.png', 'runs/p?.txt']) {
      expect((await stat(join(folder, made))).size, made).toBeGreaterThan(0);
    }
  });
});

describe('npm run alexnet', () => {
  it("resolves paths from the user's working directory, and shows commands that work when copied", async () => {
    const shell = async (line: string) => {
      // As if npm had not started the tests.
      const environment = Object.entries(process.env).filter(([name]) => !/^npm_|^INIT_CWD$/i.test(name));
      const { stdout } = await promisify(execFile)('sh', ['-c', line], {
        cwd: folder,
        env: { ...Object.fromEntries(environment), ALEX_CACHE: join(temporary, 'cache') },
      });
      return stdout;
    };
    const words = [...training, '--data', "'my images'", '--run', `"it's mine"`];
    const said = await shell(`npm --prefix '${repository}' run alexnet -- ${words.join(' ')}`);
    const { data } = JSON.parse(await readFile(join(folder, "it's mine", 'config.json'), 'utf8'));
    expect(data.source).toBe(join(folder, 'my images'));
    const shown = said.split('\n').filter((line) => /^ {2}npm .* --run /.test(line));
    expect(shown).toHaveLength(3);
    expect(shown[0]).toMatch(/^ {2}npm --prefix .* run alexnet -- evaluate /);
    expect(await shell(shown.find((line) => line.includes(' report '))!)).toMatch(
      /The report is in it's mine\/report.html\./,
    );
    expect(await readFile(join(folder, "it's mine", 'report.html'), 'utf8')).toContain('<html');
  });
});
