/**
 * Loaded before a command: sends Ctrl-C twice, the second time after the number of milliseconds in `?apart=` of this
 * module's URL by the process's clock, before the command has done anything else.
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
