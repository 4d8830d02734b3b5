// How often each method may be called within a minute, as documented by tier; sending is counted for each channel
// (https://docs.slack.dev/apis/web-api/rate-limits, read 2026-11).
import { SlackRateLimit } from './slack-refusal.ts';

const PER_MINUTE: Readonly<Record<string, number>> = {
  'chat.appendStream': 100,
  'chat.postMessage': 60,
  'chat.startStream': 20,
  'chat.stopStream': 20,
  'chat.update': 50,
  'chat.delete': 50,
  'files.completeUploadExternal': 100,
  'files.getUploadURLExternal': 100,
  'files.info': 100,
};
const WINDOW_MS = 60_000;

export function createRates(now: () => number = Date.now) {
  const calls = new Map<string, number[]>();
  return {
    /** Throws when there were too many within the last minute; a refused call does not count. */
    check(method: string, channel: string): void {
      const limit = PER_MINUTE[method];
      if (limit === undefined) return;
      const key = method === 'chat.postMessage' ? `${method} ${channel}` : method;
      const recent = (calls.get(key) ?? []).filter((at) => at > now() - WINDOW_MS);
      calls.set(key, recent);
      const [oldest] = recent;
      if (recent.length >= limit && oldest !== undefined) {
        throw new SlackRateLimit(Math.max(1, Math.ceil((oldest + WINDOW_MS - now()) / 1_000)));
      }
      recent.push(now());
    },
  };
}
