import { createRequire } from 'node:module';

/** Why this machine has no embedded driver, for tests that need it; undefined where it must work. */
export const withoutEmbedded = reason();

function reason(): string | undefined {
  const { platform, arch } = process;
  if (platform !== 'linux' || arch !== 'x64') return `the embedded driver is not made for ${platform} on ${arch}`;
  try {
    // Which it comes in. That it is there is all that is asked: a driver that does not work is for the tests to find.
    createRequire(new URL('packages/software-gpu/package.json', import.meta.url)).resolve('@sparticuz/chromium');
    return undefined;
  } catch {
    return '@sparticuz/chromium, which holds the embedded driver, is not installed';
  }
}
