import { assert, open, until } from './visitor.mjs';

/**
 * @param given.files names of the model's files in `folder`, its JSON first, @param given.image that of an image
 * @returns what the page says of the image, after each way to give it the model
 */
export default async function check({ address, folder, files, image }) {
  const page = await open(address);
  const { document } = page;
  const classification = document.getElementById('classification');
  const says = document.getElementById('says');
  const load = async (name) => {
    const blob = await (await fetch(`${folder}/${name}`)).blob();
    return new File([blob], name, { type: name.endsWith('.png') ? 'image/png' : '' });
  };
  const transferOf = async (names) => {
    const transfer = new DataTransfer();
    for (const name of names) transfer.items.add(await load(name));
    return transfer;
  };
  const drop = async (...names) => {
    document.body.dispatchEvent(new page.DragEvent('drop', { dataTransfer: await transferOf(names), bubbles: true }));
  };
  const choose = async (...names) => {
    const input = document.getElementById('files');
    input.files = (await transferOf(names)).files;
    input.dispatchEvent(new page.Event('change'));
  };
  const guesses = () =>
    [...document.querySelector('#images figure').querySelectorAll('li')].map((item) => item.textContent);

  await drop(files[0]);
  await until(classification, 'a failure', ({ state }) => state === 'failed');
  assert(
    says.textContent.includes(`${files[1]} is missing`),
    `the file that is missing is named, not: ${says.textContent}`,
  );

  classification.dataset.state = 'empty';
  await choose(...files);
  await until(classification, 'the model', ({ state }) => state === 'ready');
  await drop(image);
  await until(classification, 'an image', ({ images }) => images === '1');
  const given = guesses();

  document.getElementById('address').value = new URL(`${folder}/${files[0]}`, location.href).href;
  document.querySelector('#by-address [type=submit]').click();
  await until(classification, 'the model again', ({ state }) => state === 'loading');
  await until(classification, 'the model at an address', ({ state }) => state === 'ready');
  await drop(image);
  await until(classification, 'another image', ({ images }) => images === '2');
  assert(document.documentElement.scrollWidth <= 390, 'a narrow screen needs no scrolling to the side');
  return [given, guesses()];
}
