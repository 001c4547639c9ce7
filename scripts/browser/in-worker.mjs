// Runs in a page: trains in a worker, for which there are no import maps.

/** Of the bundle, so that it finds everything. */
const script = `
import train from '${location.origin}/work/vite/program.js';
onmessage = ({ data }) =>
  train(data).then(
    (value) => postMessage({ value }),
    (error) => postMessage({ error: String(error?.stack ?? error) }),
  );
postMessage('ready');
`;

export default (given) =>
  new Promise((resolve, reject) => {
    const address = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    const worker = new Worker(address, { type: 'module' });
    worker.onmessage = ({ data }) => {
      if (data === 'ready') worker.postMessage(given);
      else if (data.error) reject(new Error(data.error));
      else resolve(data.value);
    };
    worker.onerror = ({ message }) => reject(new Error(`the worker fails: ${message}`));
  });
