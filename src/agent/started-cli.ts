// A CLI that has been started and takes one message after the other. What decides over its tool calls is always what the
// turn that runs brought along, never what the turn that started it did.
import {
  type Options,
  type Query,
  query,
  type SDKMessage,
  type SDKUserMessage,
} from '@anthropic-ai/claude-agent-sdk';
import type { CliProcess } from './cli-process.ts';

export interface StartedCli {
  readonly process: CliProcess;
  readonly conversation: Query;
  readonly messages: Pick<AsyncIterator<SDKMessage>, 'next'> & {
    /** The next one, which stays the next one: what nobody takes in this turn is not lost to another. */
    peek(): Promise<IteratorResult<SDKMessage>>;
  };
  say(message: SDKUserMessage): void;
  /** No more messages: the CLI ends by itself. */
  end(): void;
  /** From now on these options' functions are asked. */
  serve(options: Options): void;
}

/** `beforeTool` is waited for before each tool call is judged. */
export function startCli(
  options: Options,
  process: CliProcess,
  beforeTool: () => Promise<void> = async () => {},
): StartedCli {
  const line: SDKUserMessage[] = [];
  let current = options;
  let isOver = false;
  let wake = (): void => {};

  async function* input(): AsyncGenerator<SDKUserMessage> {
    while (true) {
      for (let next = line.shift(); next; next = line.shift()) yield next;
      if (isOver) return;
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      await woken.promise;
    }
  }

  const conversation = query({ prompt: input(), options: askingCurrent(options, () => current, beforeTool) });
  const iterator = conversation[Symbol.asyncIterator]();
  let peeked: Promise<IteratorResult<SDKMessage>> | null = null;
  const peek = () => (peeked ??= iterator.next());
  return {
    process,
    conversation,
    messages: {
      peek,
      async next() {
        const next = peek();
        peeked = null;
        return await next;
      },
    },
    say(message) {
      line.push(message);
      wake();
    },
    end() {
      isOver = true;
      wake();
    },
    serve(next) {
      current = next;
    },
  };
}

/** Its functions ask those at the same place of the options that hold now. The starting function is asked once. */
function askingCurrent(options: Options, current: () => Options, beforeTool: () => Promise<void>): Options {
  const hooks = Object.entries(options.hooks ?? {}).map(([event, matchers]) => [
    event,
    matchers.map((matcher, place) => ({
      ...matcher,
      hooks: matcher.hooks.map((_hook, index): (typeof matcher.hooks)[number] => {
        return async (...asked) => {
          if (event === 'PreToolUse') await beforeTool();
          const now = current().hooks?.[event as keyof typeof options.hooks];
          const hook = (now as typeof matchers | undefined)?.[place]?.hooks[index];
          if (!hook) throw new Error(`There is no hook for ${event} any more.`);
          return await hook(...asked);
        };
      }),
    })),
  ]);
  return {
    ...options,
    hooks: Object.fromEntries(hooks) as NonNullable<Options['hooks']>,
    ...(options.canUseTool && { canUseTool: async (...asked) => await current().canUseTool!(...asked) }),
  };
}
