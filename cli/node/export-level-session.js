// Exports the sessions of level-session for Node as JSON lines for `level-session import`:
//
//     node export-level-session.js <directory of the database> [idPrefix] > sessions.jsonl
//
// Run this script in the directory where the site's `level` is installed, and stop the site first: only one process can open a
// LevelDB database. The script does not change the database. A value that is not valid JSON is skipped and reported by its
// key, and the exit code is then 1.
"use strict";

const level = require(require.resolve("level", { paths: [process.cwd(), __dirname] }));

const SEPARATOR = "\u00ff";
const TTL = "!ttl!"; // level-ttl: the expiry of each key, in milliseconds since 1970

async function* entries(db) {
  if (db.createReadStream) {
    for await (const { key, value } of db.createReadStream()) yield [key, value];
  } else {
    yield* db.iterator(); // level 8 and later
  }
}

async function write(session) {
  if (!process.stdout.write(JSON.stringify(session) + "\n")) {
    await new Promise((drained) => process.stdout.once("drain", drained));
  }
}

async function main(folder, idPrefix = "session:") {
  const options = { createIfMissing: false, keyEncoding: "utf8", valueEncoding: "utf8" };
  const db = level.Level ? new level.Level(folder, options) : level(folder, options);
  await db.open();
  const ends = new Map();
  let session;
  let id;
  for await (const [key, value] of entries(db)) {
    // In key order, all expiry entries come before the sessions.
    if (key.startsWith(TTL + SEPARATOR)) {
      const of = key.slice(TTL.length).split(SEPARATOR)[1];
      ends.set(of, Math.max(ends.get(of) ?? 0, Number(value)));
      continue;
    }
    const parts = key.split(SEPARATOR);
    if (parts.length !== 3 || parts[0] !== "" || !parts[1].startsWith(idPrefix)) continue;
    if (parts[1] !== id) {
      if (session) await write(session);
      id = parts[1];
      session = { id: id.slice(idPrefix.length), data: Object.create(null), expires: ends.get(id) ?? null };
    }
    try {
      session.data[parts[2]] = JSON.parse(value);
    } catch {
      console.error(`skipped: the value of ${JSON.stringify(parts[2])} is not valid JSON`);
      process.exitCode = 1;
    }
  }
  if (session) await write(session);
  await db.close();
}

main(process.argv[2], process.argv[3]).catch((error) => {
  console.error(error.message);
  process.exitCode = 2;
});
