// The first import of every entry: on a Node that is too old it says so in words. It can only speak when everything
// behind the entry links there, so nothing imports by name what Node 20 does not have (test/package/entries.test.ts).

const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  throw new Error(
    `hybrid-sessions needs Node ${NEEDED} or newer; this is Node ${process.versions.node}. ` +
      'Its commands (npx hybrid-sessions ...) run on Node 20 too: they bring a newer one along. ' +
      'For a program of yours: npx --package node@24 node <file>.',
  );
}
