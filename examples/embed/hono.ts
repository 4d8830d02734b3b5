// An agent in a Hono app: one route that waits for the answer, one that streams it, and the whole HTTP API mounted.
// Needs an agent folder ./agent (`npx hybrid-sessions init` makes one).
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { type HybridError, isHybridError, openSystem } from 'hybrid-sessions';

// 'trusted': whatever this app hands to `system.fetch`, it has checked who asks.
const system = await openSystem({ dataDir: 'data-hono', access: 'trusted' });
const app = new Hono();

// In place of your own log-in: the chat belongs to the user, whatever the request says.
const userOf = (request: Request) => request.headers.get('x-user') ?? 'guest';

app.post('/ask', async (context) => {
  const { text } = await context.req.json<{ text: string }>();
  const { outcome, text: reply } = await system.send(`user-${userOf(context.req.raw)}`, text);
  return context.json({ outcome, reply });
});

app.get('/ask', (context) =>
  streamSSE(context, async (stream) => {
    const turn = system.send(`user-${userOf(context.req.raw)}`, context.req.query('text') ?? '', {
      signal: context.req.raw.signal,
    });
    for await (const event of turn) {
      await stream.writeSSE({ event: event.type, data: JSON.stringify(event) });
    }
  }),
);

// Bad names and texts are the caller's mistake; the code says which.
app.onError((error, context) =>
  isHybridError(error) ? context.json(problem(error), 400) : context.json({ error: 'internal' }, 500),
);
const problem = ({ code, message }: HybridError) => ({ code, message });

app.use('/admin/*', async (context, next) =>
  context.req.header('x-user') === 'admin' ? await next() : context.text('Not for you.', 403),
);
app.mount('/admin/agent', system.fetch);

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) =>
  console.log(`listening on http://127.0.0.1:${port}`),
);

process.once('SIGTERM', async () => {
  server.close();
  await system.close();
  process.exit(0);
});
