// The tools that we give the agent ourselves, as the model and the policy name them.

/** No folder's tool server can have this name: it holds what theirs may not. */
export const OWN_SERVER = 'this_chat';
export const SEND_FILE = `mcp__${OWN_SERVER}__send_file`;
export const KEEP_RUNNING = `mcp__${OWN_SERVER}__keep_running`;
