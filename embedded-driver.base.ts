import { createRequire } from 'node:module';

/** Why this machine has no embedded driver, for tests that need it; undefined if it must work. */
export const withoutEmbedded = reason();

function reason(): string | undefined {
  const { platform, arch } = process;
  if (platform !== 'linux' || arch !== 'x64') return `the embedded driver is not made for ${platform} on ${arch}`;
  try {
    // The package that contains it. Only its presence is checked: a driver that does not work must be found by the
    // tests.
    createRequire(new URL('packages/software-gpu/package.json', import.meta.url)).resolve('@sparticuz/chromium');
    return undefined;
  } catch {
    return '@sparticuz/chromium, which holds the embedded driver, is not installed';
  }
}
