// Where model requests go, and by which right. A new kind of upstream is one file that makes an `Upstream`.
/** AWS credentials; asked for before each request, so the provider caches and renews them itself. */
export type AwsCredentials = () => Promise<{
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}>;

/** The Messages API at any address: the public one, a gateway of the owner's, a program on this machine. */
export interface AnthropicUpstream {
  readonly kind?: 'anthropic';
  /** A path prefix is kept. */
  readonly baseUrl: string;
  /** Sent as `x-api-key`. */
  readonly apiKey?: string;
  /** Sent as `authorization: Bearer`. */
  readonly authToken?: string;
  /** Costs nothing, and serves whatever model is asked for: the demo model. */
  readonly isDemo?: boolean;
}

export interface BedrockUpstream {
  readonly kind: 'bedrock';
  readonly region: string;
  /** Another address than the region's own. */
  readonly baseUrl?: string;
  /** Requests are signed with these; without, `bearerToken` is sent; without both, the other side signs. */
  readonly credentials?: AwsCredentials;
  readonly bearerToken?: string;
}

/** Claude Platform on AWS: the Messages API, with AWS credentials or a workspace's key. */
export interface ClaudePlatformUpstream {
  readonly kind: 'claude-platform';
  readonly region: string;
  readonly workspaceId: string;
  readonly baseUrl?: string;
  readonly credentials?: AwsCredentials;
  readonly apiKey?: string;
}

export type ModelUpstream = AnthropicUpstream | BedrockUpstream | ClaudePlatformUpstream;

/** A request of the agent that this upstream serves. */
export interface Route {
  /** `message`: it is answered by a model, and costs. `count`: tokens are counted. `list`: names of models. */
  readonly kind: 'message' | 'count' | 'list';
  /** Behind the base URL, with what is left of the query. */
  readonly path: string;
  /** Where the path and not the body names it. */
  readonly model?: string;
}

export interface OutgoingRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Upstream {
  readonly baseUrl: URL;
  readonly isDemo: boolean;
  /** null: nothing a session needs, so it is not served. */
  route(method: string, url: URL): Route | null;
  /** Headers of the agent's request that go on, by name in lower case. */
  readonly forwards: RegExp;
  /** The headers that give the right. */
  authorize(request: OutgoingRequest): Promise<Readonly<Record<string, string>>>;
  /** The smallest request to a model. */
  ask(model: string): { readonly path: string; readonly body: object };
}
