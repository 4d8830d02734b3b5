// Objects in an S3 bucket.
import '../../node-version.ts';

export { createS3Client, createS3ObjectStore, type S3ObjectStoreOptions } from './object-store.ts';
