// S3 errors, as the XML a client reads.
import { element } from './xml.ts';

export class S3Error extends Error {
  readonly code: string;
  readonly status: number;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  body(): string {
    return `<?xml version="1.0" encoding="UTF-8"?>${element('Error', [element('Code', this.code), element('Message', this.message)])}`;
  }
}

export const noSuchKey = () => new S3Error(404, 'NoSuchKey', 'The specified key does not exist.');
export const noSuchBucket = () => new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
export const noSuchUpload = () =>
  new S3Error(404, 'NoSuchUpload', 'The specified multipart upload does not exist.');
export const failedCondition = () =>
  new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
export const badDigest = (name: string) =>
  new S3Error(400, 'BadDigest', `The ${name} you specified did not match the calculated one.`);
export const badRequest = (message: string) => new S3Error(400, 'InvalidRequest', message);
export const denied = (code: string, message: string) => new S3Error(403, code, message);
