// What the model gateway adds to a call, beside the same call made directly, in one run: a request as large as a
// session's, an answer that streams, the time to the first byte and to the last. Rounds are interleaved.
import { sessionKeyOf, tenantId, turnIdOf } from '../src/core/ids.ts';
import { createModelGateway } from '../src/gateway/model-gateway.ts';
import { createMemoryUsageLedger } from '../src/stores/memory/usage-ledger.ts';
import { createScriptedModel } from '../testing/model/scripted-model.ts';
import { median, type Row } from './table.ts';

const ROUNDS = 300;
const WARM_UP = 30;
/** System prompt, tools and a conversation of some length. */
const BODY = JSON.stringify({
  model: 'claude-sonnet-5',
  max_tokens: 32_000,
  stream: true,
  system: 'You are an agent. '.repeat(1_500),
  messages: Array.from({ length: 60 }, (_, index) => ({
    role: index % 2 ? 'assistant' : 'user',
    content: `Message ${index}: ${'some words of a conversation '.repeat(50)}`,
  })),
});

export async function benchGateway(): Promise<Row[]> {
  const model = await createScriptedModel(() => ({
    blocks: [{ type: 'text', text: 'An answer of a few sentences. '.repeat(20) }],
  }));
  const gateway = await createModelGateway({
    upstream: { baseUrl: model.url, apiKey: 'real' },
    usage: createMemoryUsageLedger(),
  });
  const key = sessionKeyOf({ tenant: 'bench', channel: 'http', bot: 'main', chat: 'chat', thread: null });
  const turn = gateway.openTurn({
    tenant: tenantId('bench'),
    sessionId: crypto.randomUUID() as never,
    turnId: turnIdOf(key, 'bench'),
    sessionKey: key,
    models: ['claude-sonnet-5'],
    budgets: { tenant: { day: { usd: 1_000 } } },
  });
  const times = { direct: [] as Timed[], gateway: [] as Timed[] };
  for (let round = 0; round < ROUNDS + WARM_UP; round++) {
    // Either first in turn: on a busy machine the second call pays for the first.
    const order = round % 2 ? (['direct', 'gateway'] as const) : (['gateway', 'direct'] as const);
    for (const which of order) {
      const timed = await (which === 'direct' ? call(model.url, 'none') : call(turn.url, turn.token));
      if (round >= WARM_UP) times[which].push(timed);
    }
  }
  await gateway.close();
  await model.close();
  const rows = (['firstMs', 'lastMs'] as const).flatMap((which) => {
    const of = (list: readonly Timed[]) => median(list.map((each) => each[which]));
    const [base, ours] = [of(times.direct), of(times.gateway)];
    const until = which === 'firstMs' ? 'to the first byte' : 'to the last';
    return [
      { what: `direct, ${until}`, medianMs: base, ratio: 1 },
      { what: `through the gateway, ${until}`, medianMs: ours, ratio: ours / base },
    ];
  });
  return rows;
}

interface Timed {
  readonly firstMs: number;
  readonly lastMs: number;
}

async function call(url: string, token: string): Promise<Timed> {
  const startedAt = performance.now();
  const answer = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': token },
    body: BODY,
  });
  let firstMs = 0;
  for await (const _ of answer.body ?? []) firstMs ||= performance.now() - startedAt;
  return { firstMs, lastMs: performance.now() - startedAt };
}
