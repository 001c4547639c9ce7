import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepareFolders } from './folders.js';
import { netNamed, tasks } from './nets.js';
import { advance } from './train.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: `${root}runs/data` },
    runs: { type: 'string', default: `${root}runs/cifar-10` },
    from: { type: 'string' },
    adapter: { type: 'string' },
    net: { type: 'string', multiple: true, default: [] },
  },
});
for (const name of values.net) netNamed(name);

let child: ReturnType<typeof spawn> | undefined;
/** The command saves its progress and exits; so does this script, with the same exit code. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child?.kill(signal));

async function alexnet(args: readonly string[]): Promise<{ code: number; result: string }> {
  const command = [`${root}packages/cli/src/main.ts`, ...args];
  child = spawn(process.execPath, ['--conditions=@alex/source', '--import', import.meta.resolve('tsx'), ...command], {
    stdio: ['ignore', args.includes('--json') ? 'pipe' : 'inherit', 'inherit'],
  });
  const parts: Buffer[] = [];
  child.stdout?.on('data', (part: Buffer) => parts.push(part));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 1, result: Buffer.concat(parts).toString() };
}

const folders = await prepareFolders(values.data, values.from);
for (const task of tasks) {
  if (values.net.length > 0 && !values.net.includes(task.net.name)) continue;
  const setting = { folders, runs: values.runs, adapter: values.adapter, alexnet };
  const code = await advance(task, { ...setting, say: (line) => console.log(`${new Date().toISOString()} ${line}`) });
  if (code !== 0) process.exit(code);
}
