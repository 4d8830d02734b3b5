// A local MCP server over stdio without dependencies: one tool, `roll`. It shows how little a server needs.
import { randomInt } from 'node:crypto';
import { createInterface } from 'node:readline';

const tool = {
  name: 'roll',
  description: 'Rolls dice and returns every result and the sum.',
  inputSchema: {
    type: 'object',
    properties: {
      sides: { type: 'integer', minimum: 2, maximum: 1000, description: 'Sides of a die; 6 by default.' },
      count: { type: 'integer', minimum: 1, maximum: 100, description: 'Number of dice; 1 by default.' },
    },
  },
};

function roll({ sides = 6, count = 1 }) {
  const fits = (value, least, most) => Number.isInteger(value) && value >= least && value <= most;
  if (!fits(sides, 2, 1000) || !fits(count, 1, 100)) {
    return { isError: true, content: [{ type: 'text', text: 'Use 2 to 1000 sides and 1 to 100 dice.' }] };
  }
  const rolls = Array.from({ length: count }, () => randomInt(1, sides + 1));
  const sum = rolls.reduce((total, value) => total + value, 0);
  return { content: [{ type: 'text', text: `Rolled ${count}d${sides}: ${rolls.join(', ')} (sum ${sum})` }] };
}

function answer({ method, params }) {
  if (method === 'initialize') {
    return {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'dice', version: '1.0.0' },
    };
  }
  if (method === 'tools/list') return { tools: [tool] };
  if (method === 'tools/call' && params.name === 'roll') return roll(params.arguments ?? {});
  if (method === 'ping') return {};
  return undefined;
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  const message = JSON.parse(line);
  if (message.id === undefined) continue; // A notification asks for no answer.
  const result = answer(message);
  const body = result ? { result } : { error: { code: -32601, message: `Unknown: ${message.method}` } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: message.id, ...body })}\n`);
}
