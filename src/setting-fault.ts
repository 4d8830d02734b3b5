// What is wrong with a value from a file or a program, in one phrase that begins with the field's own name.
import type { z } from 'zod';

/** `limits.workspaceBytes: must be ...`; for a field that nobody knows, its own name: `limits.workspaceByte: no such field`. */
export function settingFault(error: z.ZodError): string {
  const issue = flatten(error.issues)[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].map(String).join('.');
  return `${path || 'value'}: ${unknown === undefined ? (issue?.message ?? 'wrong') : 'no such field'}`;
}

/** A union reports one issue that hides the real ones: take the branch that got furthest. */
function flatten(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
    const nearest = [...issue.errors].sort((a, b) => a.length - b.length)[0] ?? [];
    return flatten(nearest).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
  });
}
