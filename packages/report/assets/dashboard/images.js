// Images with their predictions, and the first layer's filters.
import { element, make } from '/elements.js';
import { whole } from '/numbers.js';

let cards = [];

export function showImages(images) {
  element('predictions-section').hidden = images.length === 0;
  cards = images.map(({ url, label, name }) => {
    const card = make('li');
    const image = make('img');
    image.src = url;
    image.alt = name;
    const guesses = make('ol');
    card.append(image, make('h3', '', label), guesses);
    return { card, label, guesses };
  });
  element('predictions').replaceChildren(...cards.map(({ card }) => card));
}

export function showPredictions({ step, predictions }) {
  element('predictions-step').textContent = `step ${whole(step)}`;
  predictions.forEach((guesses, i) => {
    const card = cards[i];
    if (!card) return;
    while (card.guesses.children.length > guesses.length) card.guesses.lastChild.remove();
    guesses.forEach(({ label, probability }, place) => {
      let guess = card.guesses.children[place];
      if (!guess) {
        guess = make('li', 'guess');
        guess.append(make('span', 'bar'), make('span', 'name'), make('span', 'share'));
        card.guesses.append(guess);
      }
      guess.classList.toggle('right', label === card.label);
      const [bar, name, share] = guess.children;
      bar.style.width = `${100 * probability}%`;
      name.textContent = label;
      share.textContent = probability > 0 && probability < 0.01 ? '< 1%' : `${Math.round(100 * probability)}%`;
    });
  });
}

export function showFilters({ step, url, colourfulness }) {
  element('filters-section').hidden = false;
  element('filters-step').textContent = `step ${whole(step)}`;
  element('filters').src = url;
  const columns = (colourfulness ?? []).map((value, i) => {
    const share = `${Math.round(100 * value)}%`;
    return colourfulness.length === 1 ? share : `${share} in column ${i + 1}`;
  });
  element('filters-colour').textContent =
    columns.length === 0 ? '' : `Colour accounts for ${columns.join(', ')} of a filter's energy; for noise, it is 67%.`;
}
