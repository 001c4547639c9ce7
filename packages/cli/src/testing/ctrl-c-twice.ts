/**
 * Loaded before a command: a Ctrl-C comes twice, the second time so many milliseconds later by the process's clock as
 * `?apart=` in this module's address says, before the command has done anything else.
 */
const apart = Number(new URL(import.meta.url).searchParams.get('apart'));

process.once('SIGINT', () => {
  const { now } = performance;
  const first = now.call(performance);
  performance.now = () => first;
  process.nextTick(() => {
    performance.now = () => first + apart;
    process.emit('SIGINT', 'SIGINT');
    performance.now = now;
  });
});
