// SQS errors as the JSON protocol sends them: a shape name in the body, the older query code in a header.

export class SqsError extends Error {
  readonly type: string;
  readonly queryCode: string;
  readonly status: number;
  constructor(type: string, message: string, queryCode: string = type, status = 400) {
    super(message);
    this.type = type;
    this.queryCode = queryCode;
    this.status = status;
  }
}

export const queueMissing = () =>
  new SqsError(
    'QueueDoesNotExist',
    'The specified queue does not exist.',
    'AWS.SimpleQueueService.NonExistentQueue',
  );

export const missing = (parameter: string) =>
  new SqsError('MissingParameter', `The request must contain the parameter ${parameter}.`);

export const badValue = (message: string) => new SqsError('InvalidParameterValue', message);

export const handleInvalid = (message = 'The input receipt handle is invalid.') =>
  new SqsError('ReceiptHandleIsInvalid', message);

export const handleExpired = () =>
  badValue('Value for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.');

export const notInFlight = () =>
  new SqsError(
    'MessageNotInflight',
    'The message is not in flight.',
    'AWS.SimpleQueueService.MessageNotInflight',
  );
