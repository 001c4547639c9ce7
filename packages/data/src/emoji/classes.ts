/**
 * The classes of the demo: things with distinct shapes and colours that all five artists draw alike, chosen by hand.
 * The first ones are the most different, so that a smaller problem is an easier one.
 */
export const demoClasses: readonly string[] = [
  'pizza',
  'rocket',
  'lion',
  'strawberry',
  'hamburger',
  'frog',
  'fire-engine',
  'penguin',
  'pig-face',
  'watermelon',
  'cactus',
  'christmas-tree',
  'rainbow',
  'pineapple',
  'carrot',
  'eggplant',
  'jack-o-lantern',
  'lady-beetle',
  'panda',
  'avocado',
  'umbrella',
  'banana',
  'guitar',
  'sunflower',
];

/** Categories whose drawings are things; the others contain faces, people, signs and flags. */
const thingCategories = new Set(['Activities', 'Animals & Nature', 'Food & Drink', 'Objects', 'Travel & Places']);

/** Names of things that differ from one another only in a detail, such as the hand of a clock or a colour. */
const nearDuplicates: readonly RegExp[] = [
  /-(oclock|thirty|banknote|book|medal|suit)$/,
  /moon(-face)?$/,
  /^(sun-behind|cloud-with|oncoming|globe|chart|airplane|umbrella|closed|locked|muted)-/,
  /(mailbox|envelope|speaker|volume|unlocked|small-airplane|tilted-right|snowman-without|old-key)/,
  /^(camera-with|bell-with|hourglass-not|mobile-phone-with|notebook-with|house-with|file-folder|page-with)/,
  /^(cat|cow|dog|dragon|horse|monkey|mouse|rabbit|tiger|lion)-face$/,
  /^(hammer-and|front-facing|spouting|two-hump|cityscape-at|sunrise-over|musical-notes|mahjong)/,
];

/** The rank of a thing: easy ones first, those that are hard to tell apart last. */
function rank(name: string, category: string | undefined): number {
  if (category === 'People & Body') return 3;
  if (nearDuplicates.some((pattern) => pattern.test(name))) return 2;
  return category !== undefined && thingCategories.has(category) ? 0 : 1;
}

/**
 * All classes in their fixed order: the demo's, then things, then faces and signs, then things that are nearly the same
 * as another, then people (who often differ only in their hair). Within a rank, the order is by a hash of the name:
 * mixed over the categories, and the same everywhere.
 */
export function orderClasses(
  names: readonly string[],
  categories: ReadonlyMap<string, string>,
  hash: (name: string) => number,
): string[] {
  const demo = new Set(demoClasses);
  const others = names
    .filter((name) => !demo.has(name))
    .map((name) => ({ name, rank: rank(name, categories.get(name)), hash: hash(name) }))
    .sort((a, b) => a.rank - b.rank || a.hash - b.hash || (a.name < b.name ? -1 : 1));
  return [...demoClasses, ...others.map(({ name }) => name)];
}
