// Files with a message: each is announced under the message's key, then its bytes go where the answer says, which may be
// another server. Safe to repeat: bytes that arrived once stay as they are.
import { ApiProblem } from './problem.ts';
import type { Requests } from './requests.ts';
import type { UploadedFile } from './shapes.ts';

export interface FileToSend {
  readonly name: string;
  readonly data: Blob;
}

interface Announced extends UploadedFile {
  readonly upload: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
}

/** `path`: of the chat. */
export async function uploadFile(
  { json, request, untilDone }: Requests,
  path: string,
  { name, data }: FileToSend,
  key: string,
  signal?: AbortSignal,
): Promise<UploadedFile> {
  const body = { name, bytes: data.size, ...(data.type !== '' && { media_type: data.type }) };
  return await untilDone(async () => {
    const headers = { 'idempotency-key': key };
    const announced = await json<Announced>(`${path}/files`, { method: 'POST', body, headers, signal });
    const { url, headers: signed } = announced.upload;
    // A type would be part of what is signed elsewhere.
    const bytes = data.slice(0, data.size, '');
    const { file, name: kept, media_type } = announced;
    try {
      const answer = await request(url, { method: 'PUT', headers: signed, bytes, signal });
      await answer.body?.cancel();
    } catch (error) {
      // The first attempt arrived, and its answer was lost.
      if (!(error instanceof ApiProblem) || error.status !== 412) throw error;
    }
    return { file, name: kept, media_type };
  }, signal);
}
