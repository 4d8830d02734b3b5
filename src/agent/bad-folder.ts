// The one error of an agent folder: the message names file and field, the advice says what to do.
import { Invalid } from '../core/errors.ts';

export function badFolder(message: string, advice: string, cause?: unknown): Invalid {
  return new Invalid('bad-agent-folder', message, { advice, ...(cause === undefined ? {} : { cause }) });
}
