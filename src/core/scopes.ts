// What a key or a token may do. `read`: look. `write`: send, answer, stop, change. `erase`: remove chats for good. Who has no
// list may do all three.
export const SCOPES = ['read', 'write', 'erase'] as const;
export type Scope = (typeof SCOPES)[number];
