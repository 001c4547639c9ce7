import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { alexnetCommand, callersFolder, type Invocation } from './invocation.js';

const installed: Invocation = {
  environment: {},
  directory: '/home/ann/project',
  script: '/home/ann/project/node_modules/.bin/alexnet',
  platform: 'linux',
  repository: undefined,
};
const inRepository: Invocation = { ...installed, directory: '/alex', repository: '/alex' };

describe('a command that is shown', () => {
  it.each<[string, Partial<Invocation>, string]>([
    ['in the repository', inRepository, 'npm run alexnet -- devices'],
    ['below the repository', { ...inRepository, directory: '/alex/docs' }, 'npm run alexnet -- devices'],
    ['beside the repository', { ...inRepository, directory: '/alex2' }, 'npm --prefix /alex run alexnet -- devices'],
    [
      'outside a repository with a difficult name',
      { directory: '/', repository: "/o'brien/alex" },
      String.raw`npm --prefix '/o'\''brien/alex' run alexnet -- devices`,
    ],
    ['by npx', { environment: { npm_config_user_agent: 'npm/11.1 node/v24' } }, 'npx alexnet devices'],
    ['by pnpm', { environment: { npm_config_user_agent: 'pnpm/9.0 npm/? node/v24' } }, 'pnpm exec alexnet devices'],
    ['by Yarn', { environment: { npm_config_user_agent: 'yarn/1.22 npm/? node/v24' } }, 'yarn alexnet devices'],
    ['by its path in a project', {}, 'npx alexnet devices'],
    [
      'from the PATH',
      { script: '/usr/local/bin/alexnet', environment: { PATH: '/bin:/usr/local/bin' } },
      'alexnet devices',
    ],
  ])('is shown as the process was called: %s', (_, changes, expected) => {
    expect(alexnetCommand(['devices'], { ...installed, ...changes })).toBe(expected);
  });

  it('quotes characters that a shell would interpret', () => {
    const words = ['runs/a', 'my runs', "o'brien", '$HOME', '#1', '50%20', 'a?b', '*', '~', '', '"', 'a;b&c|d', 'a\nb'];
    const line = alexnetCommand(words, installed);
    expect(line).toContain('npx alexnet runs/a ');
    const script = line.replace('npx alexnet', `${process.execPath} -p 'JSON.stringify(process.argv.slice(1))' --`);
    expect(JSON.parse(execFileSync('sh', ['-c', script], { encoding: 'utf8' }))).toEqual(words);
    expect(alexnetCommand(['C:\\my runs', 'a\\b'], { ...installed, platform: 'win32' })).toBe(
      'npx alexnet "C:\\my runs" a\\b',
    );
  });
});

describe('relative paths', () => {
  const byNpm = { INIT_CWD: '/home/ann', npm_lifecycle_event: 'alexnet' };

  it.each<[string, Partial<Invocation>, string]>([
    ['the folder of the user with npm run', { ...inRepository, environment: byNpm }, '/home/ann'],
    [
      'the same folder with npm start',
      { ...inRepository, environment: { ...byNpm, npm_lifecycle_event: 'start' } },
      '/home/ann',
    ],
    [
      'the working directory of another script',
      { ...inRepository, environment: { ...byNpm, npm_lifecycle_event: 'test' } },
      '/alex',
    ],
    [
      'the working directory that a script changed to',
      { ...inRepository, directory: '/data', environment: byNpm },
      '/data',
    ],
    ['the working directory of the installed command', { environment: byNpm }, installed.directory],
    ['the working directory without npm', inRepository, '/alex'],
  ])('start from %s', (_, changes, expected) => {
    expect(callersFolder({ ...installed, ...changes })).toBe(expected);
  });

  it('start there for this process as well', () => {
    expect(callersFolder()).toBe(process.cwd());
    expect(alexnetCommand(['devices'])).toBe('npm run alexnet -- devices');
  });
});
