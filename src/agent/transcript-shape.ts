// How a conversation is built, line for line, without a word of it: kinds, names of tools, sizes, times and which line follows
// which. Enough to see where a conversation broke.

const KEPT = ['type', 'subtype', 'uuid', 'parentUuid', 'timestamp', 'isSidechain', 'version'] as const;
const KEPT_OF_MESSAGE = ['role', 'model', 'stop_reason'] as const;

export function transcriptShape(transcript: string): string {
  return transcript
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `${JSON.stringify(shapeOf(line))}\n`)
    .join('');
}

function shapeOf(line: string): object {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line);
  } catch {
    return { broken: true, chars: line.length };
  }
  const message = recordOf(entry.message);
  return {
    ...picked(entry, KEPT),
    chars: line.length,
    ...(message && { ...picked(message, KEPT_OF_MESSAGE), content: contentOf(message.content) }),
  };
}

function contentOf(content: unknown): unknown {
  if (typeof content === 'string') return [{ type: 'text', chars: content.length }];
  if (!Array.isArray(content)) return null;
  return content.map((block) => ({
    ...picked(recordOf(block) ?? {}, ['type', 'name', 'id', 'tool_use_id', 'is_error']),
    chars: JSON.stringify(block)?.length ?? 0,
  }));
}

/** Short plain values only: whatever else an entry may hold could be words of somebody. */
function picked(from: Readonly<Record<string, unknown>>, names: readonly string[]): object {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      const isPlain =
        value === null || typeof value === 'boolean' || (typeof value === 'string' && PLAIN.test(value));
      return isPlain ? [[name, value]] : [];
    }),
  );
}

const PLAIN = /^[\w.:+-]{1,80}$/;

function recordOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
