// Which scope a route needs, and the answer to a caller who lacks it.
import type { Scope } from '../core/scopes.ts';
import type { Owner, Route } from './deps.ts';
import { refuse } from './problems.ts';

export function scopeOf({ method, scope }: Pick<Route, 'method' | 'scope'>): Scope {
  return scope ?? (method === 'get' ? 'read' : 'write');
}

export function requireScope(owner: Owner, needed: Scope): void {
  if (owner.scopes === undefined || owner.scopes.includes(needed)) return;
  refuse(403, 'scope-missing', `This key or token has no scope "${needed}".`);
}
