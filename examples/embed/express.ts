// The same in an Express app. Needs an agent folder ./agent (`npx hybrid-sessions init` makes one).
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler, type Request } from 'express';
import { isHybridError, openSystem } from 'hybrid-sessions';
import { toNodeHandler } from 'hybrid-sessions/node';

// 'trusted': whatever this app hands to `system.fetch`, it has checked who asks.
const system = await openSystem({ dataDir: 'data-express', access: 'trusted' });
const app = express();

// In place of your own log-in: the chat belongs to the user, whatever the request says.
const userOf = (request: Request) => request.header('x-user') ?? 'guest';

// Before anything that reads bodies.
app.use('/admin', (request, response, next) => {
  if (userOf(request) === 'admin') next();
  else response.status(403).send('Not for you.');
});
app.use('/admin/agent', toNodeHandler(system.fetch));

app.use(express.json());
app.post('/ask', async (request, response) => {
  const { outcome, text } = await system.send(`user-${userOf(request)}`, String(request.body?.text ?? ''));
  response.json({ outcome, reply: text });
});
app.get('/ask', async (request, response) => {
  const turn = system.send(`user-${userOf(request)}`, String(request.query.text ?? ''));
  response.type('text/event-stream');
  for await (const event of turn) {
    if (response.closed) break;
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
});

// Bad names and texts are the caller's mistake; the code says which.
const onError: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.headersSent) next(error);
  else if (isHybridError(error)) response.status(400).json({ code: error.code, message: error.message });
  else response.status(500).json({ error: 'internal' });
};
app.use(onError);

const server = app.listen(Number(process.env.PORT ?? 3000), () =>
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);

process.once('SIGTERM', async () => {
  server.close();
  await system.close();
  process.exit(0);
});
