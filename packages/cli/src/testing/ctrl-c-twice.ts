/**
 * Loaded before a command: a Ctrl-C comes twice, the second time so many milliseconds later by the process's clock as
 * `?apart=` in this module's address says, before the command has done anything else.
 */
const apart = Number(new URL(import.meta.url).searchParams.get('apart'));

process.once('SIGINT', () => {
  let now = performance.now();
  performance.now = () => now;
  process.nextTick(() => {
    now += apart;
    process.emit('SIGINT', 'SIGINT');
  });
});
