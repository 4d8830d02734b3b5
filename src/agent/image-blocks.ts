// Pictures that came with a message, as the model sees them. What a file is, its bytes say and not its name: a picture that
// the model refuses would stand in the conversation for good, and every later request would fail with it.
// Limits: https://docs.claude.com/en/docs/build-with-claude/vision (read 2026-11).
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { imageSize } from 'image-size';
import type { LaidFile } from './received-files.ts';

const MEDIA_TYPES = {
  jpg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  webp: 'image/webp',
} as const;
/** 5 MB as base64. */
const MAX_IMAGE_BYTES = 3_750_000;
/** In one message: more than twenty pictures may be no larger than this, so none is. */
const MAX_SIDE_PIXELS = 8_000;
const MAX_IMAGES = 20;
/** Of all pictures of a message together: a request has 32 MB, the conversation included. */
const MAX_TOTAL_BYTES = 12_000_000;

export interface ImageBlock {
  readonly type: 'image';
  readonly source: {
    readonly type: 'base64';
    readonly media_type: (typeof MEDIA_TYPES)[keyof typeof MEDIA_TYPES];
    readonly data: string;
  };
}

/** By path; a file that is no picture which the model takes has none. */
export async function imageBlocks(
  workspace: string,
  files: readonly LaidFile[],
): Promise<ReadonlyMap<string, ImageBlock>> {
  const blocks = new Map<string, ImageBlock>();
  let total = 0;
  for (const { path, bytes, mediaType } of files) {
    const fits = bytes > 0 && bytes <= MAX_IMAGE_BYTES && total + bytes <= MAX_TOTAL_BYTES;
    if (path === null || !mediaType.startsWith('image/') || !fits || blocks.size === MAX_IMAGES) continue;
    const block = imageBlock(await readLaid(join(workspace, path)));
    if (block === null) continue;
    total += bytes;
    blocks.set(path, block);
  }
  return blocks;
}

function imageBlock(data: Buffer): ImageBlock | null {
  try {
    const { type, width, height } = imageSize(data);
    const known = MEDIA_TYPES[type as keyof typeof MEDIA_TYPES];
    if (known === undefined || width < 1 || height < 1) return null;
    if (width > MAX_SIDE_PIXELS || height > MAX_SIDE_PIXELS) return null;
    return { type: 'image', source: { type: 'base64', media_type: known, data: data.toString('base64') } };
  } catch {
    return null;
  }
}

async function readLaid(path: string): Promise<Buffer> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
