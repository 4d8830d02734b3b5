// What a key or a token may do. `read`: look. `write`: send, answer, stop, change. `erase`: remove chats for good.
// `manage`: webhooks and what else is the owner's; never a person's. Who has no list may do all.
export const SCOPES = ['read', 'write', 'erase', 'manage'] as const;
export type Scope = (typeof SCOPES)[number];
