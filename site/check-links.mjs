import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { globSync } from 'tinyglobby';

/**
 * Checks built pages: each relative link leads to a file, and to a place in it if it names one; nothing is fetched from elsewhere.
 *
 * @param folder the built site
 * @throws Error that lists the links that lead nowhere, and what would be fetched
 */
export function checkLinks(folder) {
  const files = globSync('**/*.html', { cwd: folder });
  const places = new Map();
  const placesOf = (file) => {
    if (!places.has(file)) {
      const text = readFileSync(file, 'utf8');
      places.set(file, new Set([...text.matchAll(/\s(?:id|name)="([^"]*)"/g)].map(([, id]) => decode(id))));
    }
    return places.get(file);
  };
  const faults = [];
  let links = 0;
  for (const file of files) {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    for (const [tag, attribute, value] of text.matchAll(
      /<(?:a|img|script|link|source)\b[^>]*?\s(href|src)="([^"]*)"/g,
    )) {
      const target = decode(value);
      if (/^[a-z]+:/i.test(target) || target.startsWith('//')) {
        if (!tag.startsWith('<a') && !target.startsWith('data:')) faults.push(`${file}: fetches ${target}`);
        continue;
      }
      links++;
      const [name, place] = target.split('#');
      let to = name === '' ? path : join(dirname(path), decodeURIComponent(name.split('?')[0]));
      if (existsSync(to) && statSync(to).isDirectory()) to = join(to, 'index.html');
      if (!existsSync(to)) faults.push(`${file}: ${attribute} ${target} leads nowhere`);
      else if (place && to.endsWith('.html') && !placesOf(to).has(decodeURIComponent(place))) {
        faults.push(`${file}: there is no ${place} in ${relative(folder, to)}`);
      }
    }
  }
  if (faults.length > 0) throw new Error(`the site has faults:\n${[...new Set(faults)].join('\n')}`);
  return { pages: files.length, links };
}

const decode = (text) =>
  text
    .replaceAll('&amp;', '&')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
