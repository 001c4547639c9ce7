/** How progress bars look and behave, whatever they show. */
export const barStyle = {
  barCompleteChar: '█',
  barIncompleteChar: '░',
  barsize: 20,
  fps: 4,
  hideCursor: true,
  clearOnComplete: true,
  // Ctrl-C is the command's own business.
  gracefulExit: false,
} as const;
