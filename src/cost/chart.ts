// A page with one chart: dollars a month over users, both on logarithmic scales, one line for each way to run the same use. It needs no
// script and no network, and is readable in light and dark.
import { ALTERNATIVES, type Alternative, OURS } from './alternatives.ts';
import type { AwsPrices } from './aws-prices.ts';
import type { Usage } from './turn-cost.ts';

const WIDTH = 920;
const HEIGHT = 520;
const FRAME = { left: 92, right: 232, top: 24, bottom: 56 };
const USERS = { from: 1, to: 10_000 };
const STEPS = 60;
const LABEL_PX = 17;
/** Distinguishable with the usual colour deficiencies; lines differ in their dashes, too. */
const COLOURS = ['#0072b2', '#56b4e9', '#d55e00', '#e69f00', '#cc79a7', '#009e73', '#7a6a00', '#767676'];

interface Line {
  readonly of: Alternative;
  readonly points: readonly (readonly [users: number, dollars: number])[];
}

export function chartPage(usage: Usage, prices: AwsPrices): string {
  const lines: Line[] = [...OURS, ...ALTERNATIVES].map((of) => ({ of, points: points(of, usage, prices) }));
  const all = lines.flatMap((line) => line.points.map(([, dollars]) => dollars));
  const low = 10 ** Math.floor(Math.log10(Math.min(...all)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...all)));
  const x = scale(USERS.from, USERS.to, FRAME.left, WIDTH - FRAME.right);
  const y = scale(low, high, HEIGHT - FRAME.bottom, FRAME.top);
  return page(
    usage,
    prices,
    [
      ...decades(low, high).map(
        (value) =>
          `<line class="grid" x1="${FRAME.left}" x2="${WIDTH - FRAME.right}" y1="${y(value)}" y2="${y(value)}"/>` +
          `<text class="tick" x="${FRAME.left - 10}" y="${y(value) + 4}" text-anchor="end">$${value.toLocaleString('en-US')}</text>`,
      ),
      ...decades(USERS.from, USERS.to).map(
        (value) =>
          `<line class="grid" y1="${FRAME.top}" y2="${HEIGHT - FRAME.bottom}" x1="${x(value)}" x2="${x(value)}"/>` +
          `<text class="tick" x="${x(value)}" y="${HEIGHT - FRAME.bottom + 20}" text-anchor="middle">${value.toLocaleString('en-US')}</text>`,
      ),
      `<text class="tick" x="${(FRAME.left + WIDTH - FRAME.right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">users</text>`,
      ...drawn(lines, x, y),
    ].join('\n'),
  );
}

function points(of: Alternative, usage: Usage, prices: AwsPrices): Line['points'] {
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const users = Math.round(USERS.from * (USERS.to / USERS.from) ** (step / STEPS));
    return [users, of.month({ ...usage, users }, prices)] as const;
  });
}

type Scale = (value: number) => number;

const scale =
  (from: number, to: number, start: number, end: number): Scale =>
  (value) =>
    Math.round(
      (start + ((Math.log(value) - Math.log(from)) / (Math.log(to) - Math.log(from))) * (end - start)) * 10,
    ) / 10;

function decades(from: number, to: number): number[] {
  const found: number[] = [];
  for (let value = from; value <= to; value *= 10) found.push(value);
  return found;
}

/** Names stand at the ends of their lines, moved apart where ends are close. */
function drawn(lines: readonly Line[], x: Scale, y: Scale): string[] {
  const ends = lines
    .map((line, index) => ({ line, index, at: y(line.points.at(-1)?.[1] ?? 1) }))
    .toSorted((a, b) => a.at - b.at);
  let above = Number.NEGATIVE_INFINITY;
  return ends.map(({ line, index, at }) => {
    above = Math.max(at, above + LABEL_PX);
    const colour = COLOURS[index % COLOURS.length];
    const ours = OURS.includes(line.of);
    const path = line.points.map(([users, dollars]) => `${x(users)},${y(dollars)}`).join(' ');
    const edge = WIDTH - FRAME.right;
    return (
      `<polyline points="${path}" stroke="${colour}" stroke-width="${ours ? 3.5 : 2}"${ours ? '' : ' stroke-dasharray="6 4"'}/>` +
      `<line x1="${edge}" y1="${at}" x2="${edge + 12}" y2="${above}" stroke="${colour}"/>` +
      `<text class="name" x="${edge + 17}" y="${above + 4}" fill="${colour}"${ours ? ' font-weight="600"' : ''}>${line.of.title}</text>`
    );
  });
}

function page(usage: Usage, prices: AwsPrices, drawing: string): string {
  const said =
    `${usage.turnsPerDay} turns a day for each user, ${usage.secondsPerTurn} s each, ${usage.memoryMb} MB, ` +
    `${Math.round(usage.hotRate * 100)} % hot. Prices of ${prices.region}, ${prices.asOf}, without tokens of the model and without free tiers.`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What a month costs</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { margin: 2rem auto; max-width: ${WIDTH + 40}px; padding: 0 1rem; }
  svg { width: 100%; height: auto; }
  polyline { fill: none; stroke-linejoin: round; }
  .grid { stroke: currentColor; opacity: 0.15; }
  .tick { fill: currentColor; font-size: 12px; opacity: 0.75; }
  .name { font-size: 13px; }
</style>
<h1>What a month costs</h1>
<p>${said}</p>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Dollars a month over the number of users, logarithmic scales">
${drawing}
</svg>
<h2>What is compared</h2>
<ul>
${[...OURS, ...ALTERNATIVES].map(({ title, about }) => `<li><b>${title}</b>: ${about}</li>`).join('\n')}
</ul>
</html>
`;
}
