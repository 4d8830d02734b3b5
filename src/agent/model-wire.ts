// How answers of the Messages API look on the wire: server-sent events, one whole message, or an error body.
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelReply } from './model-reply.ts';

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const idOf = (prefix: string): string => `${prefix}_${randomBytes(12).toString('hex')}`;

function usageOf(reply: ModelReply, inputTokens: number, outputTokens: number) {
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    cache_read_input_tokens: reply.usage?.cacheReadTokens ?? 0,
    cache_creation_input_tokens: reply.usage?.cacheWriteTokens ?? 0,
  };
}

function outputTokensOf(reply: ModelReply): number {
  if (reply.usage?.outputTokens !== undefined) return reply.usage.outputTokens;
  const length = reply.blocks.reduce(
    (sum, block) => sum + (block.type === 'text' ? block.text.length : JSON.stringify(block.input).length),
    0,
  );
  return Math.max(1, Math.ceil(length / 4));
}

const stopReasonOf = ({ stopReason, blocks }: ModelReply): string =>
  stopReason ?? (blocks.some((block) => block.type === 'tool_use') ? 'tool_use' : 'end_turn');

export function writeFault(
  response: ServerResponse,
  status: number,
  message = 'The scripted answer is an error.',
  retryAfterSec?: number,
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(retryAfterSec === undefined ? {} : { 'retry-after': String(retryAfterSec) }),
  });
  const type = ERROR_TYPES[status] ?? 'api_error';
  response.end(JSON.stringify({ type: 'error', error: { type, message } }));
}

export function writeWhole(
  response: ServerResponse,
  model: string,
  reply: ModelReply,
  inputTokens: number,
): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({
      id: idOf('msg'),
      type: 'message',
      role: 'assistant',
      model,
      content: reply.blocks.map((block) =>
        block.type === 'text' ? block : { ...block, id: block.id ?? idOf('toolu') },
      ),
      stop_reason: stopReasonOf(reply),
      stop_sequence: null,
      usage: usageOf(reply, inputTokens, outputTokensOf(reply)),
    }),
  );
}

/** Streams the reply; ends the connection without a farewell after `cutAfter` events. */
export async function writeStreamed(
  response: ServerResponse,
  model: string,
  reply: ModelReply,
  inputTokens: number,
  cutAfter: number,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  let sent = 0;
  for await (const [type, data] of eventsOf(model, reply, inputTokens)) {
    if (response.destroyed) return;
    if (sent >= cutAfter) return void response.destroy();
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
    sent += 1;
  }
  response.end();
}

async function* eventsOf(
  model: string,
  reply: ModelReply,
  inputTokens: number,
): AsyncGenerator<readonly [string, Record<string, unknown>]> {
  yield [
    'message_start',
    {
      message: {
        id: idOf('msg'),
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: usageOf(reply, inputTokens, 1),
      },
    },
  ];
  for (const [index, block] of reply.blocks.entries()) {
    if (block.type === 'text') {
      yield ['content_block_start', { index, content_block: { type: 'text', text: '' } }];
      const pieces = [...piecesOf(block.text, reply.pieceLength ?? 24)];
      for (const [at, piece] of pieces.entries()) {
        if (reply.pauseMs) await sleep(reply.pauseMs);
        if (at === pieces.length - 1) await reply.lastPieceAfter;
        yield ['content_block_delta', { index, delta: { type: 'text_delta', text: piece } }];
      }
    } else {
      const start = { type: 'tool_use', id: block.id ?? idOf('toolu'), name: block.name, input: {} };
      yield ['content_block_start', { index, content_block: start }];
      const json = JSON.stringify(block.input);
      yield ['content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: json } }];
    }
    yield ['content_block_stop', { index }];
  }
  yield [
    'message_delta',
    {
      delta: { stop_reason: stopReasonOf(reply), stop_sequence: null },
      usage: { output_tokens: outputTokensOf(reply) },
    },
  ];
  yield ['message_stop', {}];
}

/** Splits by code points, so that no piece ends inside a surrogate pair. */
function* piecesOf(text: string, length: number): Generator<string> {
  let piece = '';
  for (const char of text) {
    piece += char;
    if (piece.length >= length) {
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}
