/** The page that leads to the documentation of each release, and at once to that of this one. */
export function docsIndex(releases, current) {
  const newestFirst = [...releases].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const links = newestFirst.map((release) => `      <li><a href="${release}/index.html">Alex ${release}</a></li>`);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="refresh" content="0; url=${current}/index.html">
    <title>Documentation of Alex</title>
  </head>
  <body>
    <h1>Documentation of Alex</h1>
    <ul>
${links.join('\n')}
    </ul>
  </body>
</html>
`;
}
