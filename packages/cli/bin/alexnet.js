#!/usr/bin/env node
// Starts the built command. This file is not built itself: npm links a command when a workspace is installed, which is
// before anything is built.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error(
    'alexnet is not built: run "npm run build", or use "npm run alexnet -- COMMAND", which needs no build.',
  );
  process.exitCode = 1;
}
