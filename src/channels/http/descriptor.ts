// The HTTP API and the web page. It needs no settings and is always there; its inlet is the API itself (src/api),
// which a wiring mounts, because it can do far more than take a message in.
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
