/** A page that listens to a dashboard's events. */
export interface Listener {
  /** The data of the next event of that name that has not been requested yet. */
  next(event: string): Promise<unknown>;
  /** Number of events of a name so far. */
  count(event: string): number;
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<boolean>;
  leave(): void;
}

/** Listens to the events of a dashboard at an address, as a browser's page does. */
export async function listenTo(url: string): Promise<Listener> {
  const leaving = new AbortController();
  const response = await fetch(new URL('/events', url), { signal: leaving.signal });
  if (response.headers.get('content-type') !== 'text/event-stream') throw new Error(`no events: ${response.status}`);
  const received: { event: string; data: unknown }[] = [];
  const asked = new Map<string, number>();
  let wake = () => {};
  let open = true;
  const reading = async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      text += decoder.decode(bytes as Uint8Array, { stream: true });
      const messages = text.split('\n\n');
      text = messages.pop()!;
      for (const message of messages) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(message) ?? [];
        if (event !== undefined) received.push({ event, data: JSON.parse(data!) });
      }
      wake();
    }
  };
  const ended = reading()
    .catch(() => undefined)
    .then(() => {
      open = false;
      wake();
      return true;
    });
  return {
    async next(event) {
      const number = asked.get(event) ?? 0;
      asked.set(event, number + 1);
      while (true) {
        const found = received.filter((message) => message.event === event)[number];
        if (found) return found.data;
        if (!open) throw new Error(`the connection ended without ${event}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    count: (event) => received.filter((message) => message.event === event).length,
    ended,
    leave: () => leaving.abort(),
  };
}
