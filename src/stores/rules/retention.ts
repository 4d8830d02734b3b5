// When something stored ends. Past its end it is absent, whether or not the store has deleted it.

export function epochSec(nowMs: number): number {
  return Math.floor(nowMs / 1_000);
}

export function expiryOf(nowMs: number, retentionSec: number): number {
  return epochSec(nowMs) + retentionSec;
}

export function isLive(expiresAtSec: number, nowMs: number): boolean {
  return expiresAtSec > epochSec(nowMs);
}
