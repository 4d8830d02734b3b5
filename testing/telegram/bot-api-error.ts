// A refusal of the fake Bot API, with the code and the description that the real one gives.

export interface ErrorParameters {
  readonly retry_after?: number;
  readonly migrate_to_chat_id?: number;
}

export class BotApiError extends Error {
  readonly status: number;
  readonly parameters: ErrorParameters | undefined;

  constructor(status: number, description: string, parameters?: ErrorParameters) {
    super(description);
    this.status = status;
    this.parameters = parameters;
  }
}

export function badRequest(what: string): BotApiError {
  return new BotApiError(400, `Bad Request: ${what}`);
}
