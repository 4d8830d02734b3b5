// How much an account may send to a person: five messages after each one of theirs, for 48 hours, and three after a press in
// the menu, for a minute. What was left over of an earlier message is gone with the next one.

interface Grant {
  left: number;
  readonly untilMs: number;
}

const MESSAGE = { count: 5, ms: 48 * 3_600_000 };
const CLICK = { count: 3, ms: 60_000 };

export function createQuotas(clock: { now(): number }) {
  const grants = new Map<string, { message?: Grant; click?: Grant }>();
  const grant = ({ count, ms }: typeof MESSAGE): Grant => ({ left: count, untilMs: clock.now() + ms });
  return {
    wrote(openId: string): void {
      grants.set(openId, { ...grants.get(openId), message: grant(MESSAGE) });
    },
    clicked(openId: string): void {
      grants.set(openId, { ...grants.get(openId), click: grant(CLICK) });
    },
    forget(openId: string): void {
      grants.delete(openId);
    },
    /** Uses one up; or the code of the refusal. */
    take(openId: string): 45015 | 45047 | null {
      const { message, click } = grants.get(openId) ?? {};
      const live = [click, message].filter((one) => one !== undefined && one.untilMs > clock.now());
      const one = live.find((found) => (found?.left ?? 0) > 0);
      if (one) {
        one.left -= 1;
        return null;
      }
      return live.length > 0 ? 45047 : 45015;
    },
  };
}
