// Keeps retired words and constructions out of code, comments, help and pages, and finds dead links in pages.
//
//   node scripts/words.mjs --check
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Retired words with their replacements: the field's words (docs/glossary.md), and plain English. */
const retired = [
  [/\bpictures?\b/i, 'image'],
  [/\bactivit(y|ies)\b/i, 'activation'],
  [/\blikeliest\b/i, 'most likely, top-5'],
  [/\bgrey levels?\b/i, 'pixel values'],
  [/\banew\b/i, 'again, reinitialized, reopened'],
  [/\bmean pictures?\b/i, 'mean image'],
  [/\bgone on with\b/i, 'resumed'],
  [/where (it is|they are) left out/i, 'Default: …'],
  [/\bwhoever\b|\bsomebody\b/i, 'a user, a caller, another process'],
  [/\bby and by\b/i, 'gradually'],
  [/\bone'?s own\b/i, 'custom, your own'],
  [/\b(takes?|took|taken) [a-z ]{0,12}down\b/i, 'crash, record'],
  [/\bwhat (came|becomes?) of\b/i, 'the result'],
  [/\bwhere there (is|are) (none|no)\b/i, 'if there is none, otherwise'],
  [/\b(nothing|none|undefined) where\b|@throws \w+ where\b/i, 'undefined if, @throws … if'],
  [/\b(un)?less (said|somebody says) otherwise\b|\bunless said\b/i, 'Default: …'],
  [/\bhand(s|ed|ing)? (on|over)\b/i, 'send, submit, pass'],
  [/\b(images|dispatches|bytes|steps|values|floats?|multiply-adds) an? (step|epoch|image|second|parameter)\b/i, 'per'],
  [/\bunder way\b/i, 'in flight, in progress'],
  [/^\s*(\/\/|\*|\/\*\*).* beside /i, 'next to, compared with, besides'],
  [/\bgo(es|ing)? on where\b/i, 'resumes'],
  [/\b(was|were|not|has|have|is) begun\b/i, 'started'],
  [/\bgives? (it |them |what it |[a-z]+ ){0,2}back\b/i, 'returns, frees'],
  [/\b(can|to) be had\b/i, 'available'],
  [/\bcheck sums?\b/i, 'checksum'],
  [/\bat hand\b/i, 'current, available'],
  [/\bnobody knows\b|\bwhere (some|no)body\b/i, 'unknown, if a user'],
  [/\brecordSumOfParts\b|\breductionPart\b/, 'recordSplitKSum, splitReduction (split-K)'],
  [/\bcompileNetwork\b.*'@alex\/tensor'/, "'@alex/tensor/network'"],
];

/** Exceptions, with the reason. */
const allowed = [
  [
    /"pictures":|"meanPicture":|call(s)? images (and the mean image )?pictures/,
    'files from before the first release do',
  ],
  [/made\('pictures'/, 'fixtures hold values that are made from this name'],
  [/'Activities'/, "a category of Unicode's emoji"],
  [/memory: lanes beside each$/, "part of a kernel's text, whose hash is pinned"],
];

const skipped = /(^|\/)(CHANGELOG\.md|package-lock\.json|words\.mjs|kernels\.json|pytorch\.json)$|^\.changeset\//;
const files = execFileSync('git', ['ls-files', '*.md', '*.ts', '*.mjs', '*.js', '*.json', '*.css', '*.py', '*.yml'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && !skipped.test(file) && existsSync(join(root, file)));

const faults = [];
for (const file of files) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  for (const [index, line] of lines.entries()) {
    if (allowed.some(([pattern]) => pattern.test(line))) continue;
    for (const [pattern, instead] of retired) {
      const found = pattern.exec(line);
      if (found) faults.push(`${file}:${index + 1}: "${found[0]}" is retired; say ${instead}`);
    }
  }
}

/** The anchors of a page, as GitHub derives them from its headings. */
function anchorsOf(text) {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

for (const page of files.filter((file) => file.endsWith('.md'))) {
  const text = readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path, anchor] = target.split('#');
    const at = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(root, at))) faults.push(`${page}: links to ${target}, which does not exist`);
    else if (anchor !== undefined) {
      const other = at.endsWith('.md') ? at : join(at, 'README.md');
      if (!anchorsOf(readFileSync(join(root, other), 'utf8')).includes(anchor)) {
        faults.push(`${page}: links to ${target}, which has no such heading`);
      }
    }
  }
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
