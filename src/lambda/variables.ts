// The environment variables of the functions: what the deployment sets and the functions read. They hold names,
// addresses and numbers. A secret is never among them: only the name of the parameter that holds it.

export const VARIABLES = {
  /** Names this installation in logs and metrics. */
  installation: 'HYBRID_SESSIONS_INSTALLATION',
  version: 'HYBRID_SESSIONS_VERSION',
  mappingTable: 'HYBRID_SESSIONS_MAPPING_TABLE',
  stateTable: 'HYBRID_SESSIONS_STATE_TABLE',
  bucket: 'HYBRID_SESSIONS_BUCKET',
  queueUrl: 'HYBRID_SESSIONS_QUEUE_URL',
  /** Where `deadLetter` puts a message for a person to look at. */
  deadLetterQueueUrl: 'HYBRID_SESSIONS_DEAD_LETTER_QUEUE_URL',
  /** Names of webhook messages that are due. */
  webhookQueueUrl: 'HYBRID_SESSIONS_WEBHOOK_QUEUE_URL',
  /** JSON: where webhooks may be sent to (src/core/webhooks.ts). */
  webhooks: 'HYBRID_SESSIONS_WEBHOOKS',
  retentionDays: 'HYBRID_SESSIONS_RETENTION_DAYS',
  logLevel: 'HYBRID_SESSIONS_LOG_LEVEL',
  /** Role that a worker assumes for one tenant. Set where there are several. */
  tenantRole: 'HYBRID_SESSIONS_TENANT_ROLE',
  /** `true`: bots and tenants are looked up in the registry. */
  tenants: 'HYBRID_SESSIONS_TENANTS',
  apiKeyParameter: 'HYBRID_SESSIONS_API_KEY_PARAMETER',
  /** JSON: which pages and people may call the API (src/core/browser-access.ts). */
  browsers: 'HYBRID_SESSIONS_BROWSERS',
  maxConcurrency: 'HYBRID_SESSIONS_MAX_CONCURRENCY',
  /** Names of the channels with settings, separated by commas. src/channels/deployed.ts names their own variables. */
  channels: 'HYBRID_SESSIONS_CHANNELS',
  /** The file beside the functions that holds channels of one's own; none where it is left out. */
  ownChannels: 'HYBRID_SESSIONS_OWN_CHANNELS',
  /** `anthropic`; `bedrock`, with the function's own role; or `demo`, which answers from a script and needs no key. */
  modelProvider: 'HYBRID_SESSIONS_MODEL_PROVIDER',
  model: 'HYBRID_SESSIONS_MODEL',
  modelKeyParameter: 'HYBRID_SESSIONS_MODEL_KEY_PARAMETER',
  modelBaseUrl: 'HYBRID_SESSIONS_MODEL_BASE_URL',
  /** Name of the function in which agents run, and address of the one through which they reach a model and their worker. */
  agentHostFunction: 'HYBRID_SESSIONS_AGENT_HOST_FUNCTION',
  /** Of that function, in MB: what its turns cost follows from it. */
  agentMemoryMb: 'HYBRID_SESSIONS_AGENT_MEMORY_MB',
  gatewayUrl: 'HYBRID_SESSIONS_GATEWAY_URL',
  /** `true`: people sign in to a tool server, and replies may end with a link for it. */
  signIns: 'HYBRID_SESSIONS_SIGN_INS',
  /** JSON: the models that each agent folder names, by the folder's name; `` for the installation's own. */
  agentModels: 'HYBRID_SESSIONS_AGENT_MODELS',
  /** JSON: names of models that tenants may be given besides those. */
  tenantModels: 'HYBRID_SESSIONS_TENANT_MODELS',
  /** What the tokens for the gateway are signed with. */
  gatewaySecretParameter: 'HYBRID_SESSIONS_GATEWAY_SECRET_PARAMETER',
  /** What the names of parameters with credentials of tools begin with. */
  vault: 'HYBRID_SESSIONS_VAULT',
  /** JSON: what turns may spend (src/gateway/budgets.ts). */
  budgets: 'HYBRID_SESSIONS_BUDGETS',
  /** JSON: how many messages are taken in and how much is kept (src/core/limits.ts). */
  limits: 'HYBRID_SESSIONS_LIMITS',
  /** JSON: what a message does to a turn that runs (src/core/while-running.ts). */
  whileRunning: 'HYBRID_SESSIONS_WHILE_RUNNING',
  /** JSON: commands of the agent folder (src/core/offered-commands.ts). */
  commands: 'HYBRID_SESSIONS_COMMANDS',
  /** A folder that belongs to this function alone and is emptied before a turn. `/tmp` on Lambda. */
  temporary: 'HYBRID_SESSIONS_TEMPORARY',
  maxWorkspaceBytes: 'HYBRID_SESSIONS_MAX_WORKSPACE_BYTES',
  /** `false`: the folder is emptied after each turn, too. */
  keepSession: 'HYBRID_SESSIONS_KEEP_SESSION',
  /** For how long an agent may stay in its own function without a message; 0: it ends with its turn. */
  hotIdleMinutes: 'HYBRID_SESSIONS_HOT_IDLE_MINUTES',
  /** `true`: the function's user runs nothing but the function, so every other process of it may be ended. */
  soleUser: 'HYBRID_SESSIONS_SOLE_USER',
} as const;
