// Objects under a key of their owner's (SSE-KMS). The tenant is the encryption context: KMS writes it into its log, binds the
// object to it, and a policy can ask for it. Bucket keys are left out, because they replace that context by the bucket's.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html (read 2026-11)

export interface ObjectEncryption {
  /** ARN of the key. */
  readonly keyArn: string;
  readonly context: Readonly<Record<string, string>>;
}

/** Asked before each write; null: as the bucket says. */
export type EncryptionOf = () => Promise<ObjectEncryption | null>;

/** For a command that makes an object. */
export async function encryptionInput(encryptionOf: EncryptionOf | undefined) {
  const encryption = await encryptionOf?.();
  if (!encryption) return {};
  return {
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: encryption.keyArn,
    SSEKMSEncryptionContext: contextOf(encryption),
    BucketKeyEnabled: false,
  } as const;
}

/** What whoever uses a presigned URL must send: it is signed. */
export function encryptionHeaders(encryption: ObjectEncryption | null): Record<string, string> {
  if (!encryption) return {};
  return {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyArn,
    'x-amz-server-side-encryption-context': contextOf(encryption),
    'x-amz-server-side-encryption-bucket-key-enabled': 'false',
  };
}

function contextOf({ context }: ObjectEncryption): string {
  return Buffer.from(JSON.stringify(context)).toString('base64');
}
