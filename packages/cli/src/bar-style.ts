/** Appearance and behaviour of all progress bars. */
export const barStyle = {
  barCompleteChar: '█',
  barIncompleteChar: '░',
  barsize: 20,
  fps: 4,
  hideCursor: true,
  clearOnComplete: true,
  // The command handles Ctrl-C itself.
  gracefulExit: false,
} as const;
