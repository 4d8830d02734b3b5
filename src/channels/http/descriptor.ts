// The HTTP API and the web page as a channel. It needs no settings and is always on. It declares no inlet of its own:
// the local and the AWS wiring mount the API itself (src/api), which does far more than take messages in.
import { defineChannel } from '../descriptor.ts';

export const http = defineChannel({
  name: 'http',
  title: 'HTTP',
  settings: {},
  async outgoing({ events, log, gatherMs }) {
    const { createHttpChannel } = await import('./channel.ts');
    return createHttpChannel({ events, log, ...(gatherMs === undefined ? {} : { gatherMs }) });
  },
});
