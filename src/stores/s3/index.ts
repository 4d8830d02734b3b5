// Objects in an S3 bucket.
export { createS3Client, createS3ObjectStore, type S3ObjectStoreOptions } from './object-store.ts';
