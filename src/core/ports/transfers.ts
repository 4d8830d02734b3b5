// How the bytes of a file travel between a client of the HTTP API and the object store. Where the store can be reached from
// outside, a client puts and gets them there itself, by URLs that are good for one object; else they pass through the API.

export interface FileTransfers {
  /** Where a client puts exactly `bytes` bytes, once. Absent: they come through the API, to `receive`. */
  uploadTo?(key: string, bytes: number): Promise<DirectUpload>;
  /** Where a client gets the object, to be saved under a name. Absent: it comes through the API. */
  downloadFrom?(key: string, as: { readonly disposition: string; readonly type: string }): Promise<string>;
  /**
   * Stores what comes in, without holding it in memory; the number of its bytes. Invalid('file-too-large') beyond `maxBytes`,
   * Refused('upload-broken') when it ends in the middle. Bytes that are there already stay as they are.
   */
  receive?(key: string, body: ReadableStream<Uint8Array>, maxBytes: number): Promise<number>;
}

export interface DirectUpload {
  readonly url: string;
  /** To be sent with the bytes: they are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAtMs: number;
}
