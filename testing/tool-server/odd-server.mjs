// A tool server (MCP over stdio) that misbehaves on order: `odd-server.mjs [never-starts | exits]`. Its tools: `echo`
// returns its text, `hang` never answers, `picture` returns an image that ends in its head.
import { createInterface } from 'node:readline';

const fault = process.argv[2];
if (fault === 'exits') {
  process.stderr.write('The configuration of this server is missing.\n');
  process.exit(3);
}
// Signature and IHDR of a picture of 64 x 64: enough to look like one.
const PNG_HEAD = Buffer.from('89504e470d0a1a0a0000000d4948445200000040000000400806000000', 'hex');
const inputSchema = { type: 'object', properties: { text: { type: 'string' } } };
const tools = ['echo', 'hang', 'picture'].map((name) => ({
  name,
  description: `Does ${name}.`,
  inputSchema,
}));
const send = (id, result) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);

function contentOf({ name, arguments: given }) {
  if (name === 'echo') return [{ type: 'text', text: String(given.text) }];
  const data = Buffer.concat([PNG_HEAD, Buffer.from('torn off here')]).toString('base64');
  return [
    { type: 'text', text: 'Here it is:' },
    { type: 'image', data, mimeType: 'image/png' },
  ];
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || fault === 'never-starts') return;
  if (method === 'initialize') {
    const { protocolVersion } = params;
    send(id, { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'odd', version: '1' } });
  } else if (method === 'tools/list') send(id, { tools });
  else if (method !== 'tools/call') send(id, {});
  else if (params.name !== 'hang') send(id, { content: contentOf(params) });
});
