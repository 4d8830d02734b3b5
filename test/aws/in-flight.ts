// How many requests of an AWS client have no answer yet: what a test waits for before it moves the time on.

/** As much of any AWS client as is needed here. */
interface Client {
  readonly middlewareStack: {
    add(
      middleware: <Args, Output>(next: (args: Args) => Promise<Output>) => (args: Args) => Promise<Output>,
      options: { readonly step: 'initialize'; readonly name: string },
    ): void;
  };
}

/** Counts from now on. */
export function countInFlight(client: Client): () => number {
  let count = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      count += 1;
      try {
        return await next(args);
      } finally {
        count -= 1;
      }
    },
    { step: 'initialize', name: 'countInFlight' },
  );
  return () => count;
}
