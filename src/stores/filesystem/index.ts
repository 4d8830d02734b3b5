// Objects in a folder of a local disk.
export { createFilesystemObjectStore, type FilesystemObjectStoreOptions } from './object-store.ts';
