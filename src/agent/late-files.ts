// A CLI says its result before its last files are written. One that ends writes them at its end; one that stays is waited for
// here. All that it said and was told stands in its transcript then, and the copies of changed files that it makes for every
// message are noted there, too.
import { setTimeout as sleep } from 'node:timers/promises';
import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk';
import { backoffMs } from '../core/backoff.ts';
import { readTranscriptFrom } from './transcript.ts';

const LOOKING = { firstMs: 5, maxMs: 100 };
const TIMEOUT_MS = 3_000;

export interface LateFiles {
  see(message: SDKMessage): void;
  /** False when something has not been written in good time. */
  areWritten(): Promise<boolean>;
}

/** Of a turn whose message has the id `prompt`; the transcript was `from` bytes long before it. */
export function createLateFiles(turn: {
  readonly transcript: string;
  readonly from: number;
  readonly prompt: string;
}): LateFiles {
  const said = new Set<string>([turn.prompt]);

  async function isMissing(): Promise<boolean> {
    const text = await readTranscriptFrom(turn.transcript, turn.from);
    const isNoted = text.includes(`"type":"file-history-snapshot","messageId":"${turn.prompt}"`);
    return !isNoted || !text.endsWith('\n') || [...said].some((uuid) => !text.includes(`"uuid":"${uuid}"`));
  }

  return {
    see(message) {
      const isEntry = message.type === 'assistant' || message.type === 'user';
      if (isEntry && message.uuid && message.parent_tool_use_id === null) said.add(message.uuid);
    },
    async areWritten() {
      const deadline = performance.now() + TIMEOUT_MS;
      for (let looks = 1; await isMissing(); looks++) {
        if (performance.now() > deadline) return false;
        await sleep(backoffMs(LOOKING, looks));
      }
      return true;
    },
  };
}
