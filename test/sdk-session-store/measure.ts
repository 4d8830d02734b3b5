// Prints the figures of docs/session-store.md: what a transcript costs as it grows, one append per entry. Memory
// stores, so that what is counted is ours and not a disk's. Usage: node test/sdk-session-store/measure.ts [appends ...]
import { randomUUID } from 'node:crypto';
import { createAgentSessionStore } from '../../src/sdk-session-store/agent-session-store.ts';
import { createMemoryObjectStore, createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { faultyPorts } from '../../testing/contracts/agent-session-store-faults.ts';

const WORDS = 120;
const KEY = { projectKey: 'project', sessionId: randomUUID() };

/** About 1.2 kB, with as little to compress as prose has. */
function entry(i: number) {
  const words = Array.from({ length: WORDS }, (_, at) =>
    (((i * WORDS + at) * 2_654_435_761) % 30_011).toString(36),
  );
  const text = words.join(' ');
  return {
    type: 'user',
    uuid: randomUUID(),
    parentUuid: randomUUID(),
    message: { role: 'user', content: text },
  };
}

async function measure(appends: number) {
  const ports = faultyPorts(createMemorySessionStore(), createMemoryObjectStore());
  const writer = createAgentSessionStore(ports);
  let rawBytes = 0;
  const latenciesMs: number[] = [];
  for (let i = 0; i < appends; i++) {
    const one = entry(i);
    rawBytes += JSON.stringify(one).length + 1;
    const startedAt = performance.now();
    await writer.append(KEY, [one]);
    latenciesMs.push(performance.now() - startedAt);
  }
  await writer.release();
  const mergeReads = ports.reads.length;
  let objects = 0;
  let storedBytes = 0;
  for await (const { bytes } of ports.objects.list('')) {
    objects++;
    storedBytes += bytes;
  }
  const reader = faultyPorts(ports.store, ports.objects);
  const startedAt = performance.now();
  const loaded = await createAgentSessionStore(reader).load(KEY);
  const loadMs = performance.now() - startedAt;
  const uploadedBytes = ports.puts.reduce((sum, put) => sum + put.bytes, 0);
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)]!.toFixed(2);
  return {
    appends,
    entries: loaded?.length,
    'raw kB': Math.round(rawBytes / 1000),
    'stored kB': Math.round(storedBytes / 1000),
    'uploaded kB': Math.round(uploadedBytes / 1000),
    objects,
    'puts / append': (ports.puts.length / appends).toFixed(2),
    'reads / append': (mergeReads / appends).toFixed(2),
    'reads / load': reader.reads.length,
    'load ms': Math.round(loadMs),
    'append ms p50': at(0.5),
    'append ms p99': at(0.99),
  };
}

const sizes = process.argv.slice(2).map(Number);
for (const appends of sizes.length > 0 ? sizes : [10, 100, 1_000, 10_000]) {
  console.log(JSON.stringify(await measure(appends)));
}
