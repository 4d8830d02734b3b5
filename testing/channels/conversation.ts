// Has the conversation on every channel of one wiring, and keeps what each part showed.
import type { Unavailable } from '../aws/process.ts';
import { openHttp } from './http-person.ts';
import { createConversationModel } from './model.ts';
import type { Line, Platform } from './person.ts';
import { AFTER_RESTART, type Cell, openStage, PARTS, type Part } from './script.ts';
import { openSlack } from './slack-person.ts';
import { openTelegram } from './telegram-person.ts';
import { openWechat } from './wechat-person.ts';
import { openWecom } from './wecom-person.ts';
import { startAwsWiring, startLocalWiring, type Wiring } from './wirings.ts';

export type WiringName = 'local' | 'aws';

export interface ChannelResult {
  readonly channel: string;
  /** One for each of `TITLES`. */
  readonly cells: readonly PlayedCell[];
  /** The whole chat as it stood at the end. */
  readonly lines: readonly Line[];
}

export interface PlayedCell extends Cell {
  readonly failed: boolean;
}

const ALL_PARTS: readonly Part[] = [...PARTS, AFTER_RESTART];
export const TITLES: readonly string[] = ALL_PARTS.map(({ title }) => title);

export interface PlayOptions {
  /** Told of each part as it ends. */
  readonly onCell?: (channel: string, title: string, cell: PlayedCell) => void;
}

export async function playConversation(
  name: WiringName,
  { onCell = () => {} }: PlayOptions = {},
): Promise<readonly ChannelResult[] | Unavailable> {
  const platforms: Platform[] = [];
  for (const open of [openTelegram, openSlack, openWechat, openWecom, openHttp]) {
    platforms.push(await open());
  }
  const model = createConversationModel();
  let wiring: Wiring | null = null;
  try {
    const start = name === 'local' ? startLocalWiring : startAwsWiring;
    const started = await start({ respond: model.respond, platforms });
    if ('unavailable' in started) return started;
    wiring = started;
    const cells = new Map<Platform, PlayedCell[]>(platforms.map((platform) => [platform, []]));
    const play = async (platform: Platform, part: Part) => {
      const { person } = platform;
      const cell = await openStage(person, model)
        .then((stage) => part.play(stage))
        .then((shown) => ({ ...shown, failed: false }))
        .catch((error: unknown) => ({
          shows: 'FAILED',
          why: error instanceof Error ? error.message : String(error),
          failed: true,
        }));
      cells.get(platform)?.push(cell);
      onCell(person.channel, part.title, cell);
    };
    for (const platform of platforms) {
      await platform.found(wiring.address);
      for (const part of PARTS) await play(platform, part);
    }
    await wiring.restart();
    for (const platform of platforms) {
      await platform.found(wiring.address);
      await play(platform, AFTER_RESTART);
    }
    const results: ChannelResult[] = [];
    for (const platform of platforms) {
      const lines = await platform.person.lines();
      results.push({ channel: platform.person.channel, cells: cells.get(platform) ?? [], lines });
    }
    return results;
  } finally {
    // A story that nobody has heard to its end would hold the model's server up.
    model.finishStory();
    await wiring?.close();
    for (const platform of platforms) await platform.close();
  }
}
