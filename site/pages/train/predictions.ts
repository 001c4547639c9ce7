import type { Prediction } from './messages.js';

/** An image with its most likely classes, the right one marked. */
function figureOf({ pixels, size, label, guesses }: Prediction): HTMLElement {
  const figure = document.createElement('figure');
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [size, size];
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', label);
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, size, size), 0, 0);
  const list = document.createElement('ol');
  for (const guess of guesses) {
    const item = document.createElement('li');
    const share = `${Math.round(100 * guess.probability)}%`;
    item.textContent = `${guess.label} ${share}`;
    item.style.setProperty('--share', share);
    if (guess.label === label) item.className = 'right';
    list.append(item);
  }
  const caption = document.createElement('figcaption');
  caption.textContent = label;
  figure.append(canvas, caption, list);
  return figure;
}

export function showPredictions(element: HTMLElement, predictions: readonly Prediction[]): void {
  element.replaceChildren(...predictions.map(figureOf));
}
