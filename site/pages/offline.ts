/** Stores the site in the browser, for the next time without a network. Browsers that refuse it need one. */
export function keepForOffline(): void {
  const script = new URL(document.documentElement.dataset['offline'] ?? 'offline.js', document.baseURI);
  void navigator.serviceWorker?.register(script).catch(() => undefined);
}
