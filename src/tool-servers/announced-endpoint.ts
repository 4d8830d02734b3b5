// The older transport (`sse`): a stream whose first event names the address to post messages to. The agent gets that address
// sealed, as a query of our own path; one on another server is not passed on, and ends the stream.
import { Transform } from 'node:stream';
import { createParser } from 'eventsource-parser';

/** `seal`: what the agent is to see in the place of the announced address. */
export function sealEndpoint(stream: URL, seal: (path: string) => string): Transform {
  const decoder = new TextDecoder();
  let out: string[] = [];
  let wrong = false;
  const parser = createParser({
    onEvent: ({ event, data, id }) => {
      if (event !== 'endpoint') {
        out.push(eventText({ event, data, id }));
        return;
      }
      const url = URL.canParse(data, stream.href) ? new URL(data, stream.href) : null;
      if (url?.origin === stream.origin) {
        out.push(eventText({ event, data: seal(url.pathname + url.search), id }));
      } else wrong = true;
    },
    onComment: (comment) => out.push(`: ${comment}\n\n`),
    onRetry: (ms) => out.push(`retry: ${ms}\n\n`),
  });
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      parser.feed(decoder.decode(piece, { stream: true }));
      const text = out.join('');
      out = [];
      if (wrong) done(new Error('The server announced an address on another server.'));
      else done(null, text);
    },
  });
}

function eventText({
  event,
  data,
  id,
}: {
  readonly event?: string | undefined;
  readonly data: string;
  readonly id?: string | undefined;
}): string {
  return [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...data.split('\n').map((line) => `data: ${line}`),
    '\n',
  ].join('\n');
}
