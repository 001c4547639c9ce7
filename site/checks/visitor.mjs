// Opens a page of the site in a frame, in which a check acts as a visitor does.

const frame = document.createElement('iframe');
frame.style.cssText = 'width: 390px; height: 2000px';

/** Opens a page; returns its window. */
export async function open(address) {
  frame.src = address;
  if (!frame.isConnected) document.documentElement.append(frame);
  await new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
  return frame.contentWindow;
}

/** Waits until the attributes of an element are as wanted, or it has failed; each change is an event. */
export function until(element, what, isReached) {
  return new Promise((resolve, reject) => {
    const observer = new MutationObserver(look);
    function look() {
      if (isReached(element.dataset)) {
        observer.disconnect();
        resolve();
      } else if (element.dataset.state === 'failed') {
        observer.disconnect();
        reject(new Error(`waiting for ${what}: ${element.querySelector('[role=status]').textContent}`));
      }
    }
    observer.observe(element, { attributes: true });
    look();
  });
}

export function assert(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}
