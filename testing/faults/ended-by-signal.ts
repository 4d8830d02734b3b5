// Ctrl-C of a run: the first signal ends it with its processes and its folder, the second does not wait for that.

export function endedBySignal(): AbortSignal {
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (ended.signal.aborted) process.exit(130);
      ended.abort();
    });
  }
  return ended.signal;
}
