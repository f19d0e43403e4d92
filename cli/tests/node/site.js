// A Node site: `site.js express <redis url> <secret>..`, or `site.js level <directory> <key>..`.
//
// Reads requests from standard input as lines of JSON, { cookie, set }, sends each to its own server, and writes a line of
// JSON, { cookies, data }: the Set-Cookie headers of the response, and the content of the session.
"use strict";

const http = require("node:http");
const readline = require("node:readline");

async function express(url, secret) {
  const express = require("express");
  const session = require("express-session");
  const { RedisStore } = require("connect-redis");
  const client = require("redis").createClient({ url });
  await client.connect();
  const app = express();
  app.use(
    session({
      store: new RedisStore({ client }),
      secret,
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 3_600_000 },
    }),
  );
  app.use((request, response) => {
    Object.assign(request.session, JSON.parse(request.query.set));
    const { cookie, ...data } = request.session;
    response.json(data);
  });
  return app;
}

function level(folder, keys) {
  const db = require("level")(folder);
  const sessions = require("level-session")({ db, keys });
  return (request, response) =>
    sessions(request, response, async () => {
      const { session } = request;
      const set = JSON.parse(new URL(request.url, "http://site").searchParams.get("set"));
      for (const [key, value] of Object.entries(set)) {
        await new Promise((done) => session.set(key, value, done));
      }
      session.getAll((error, data) => response.end(JSON.stringify(data)));
    });
}

async function main(kind, place, ...keys) {
  const site = await { express, level }[kind](place, keys);
  const server = http.createServer(site).listen(0, "127.0.0.1");
  await new Promise((listens) => server.once("listening", listens));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { cookie, set } = JSON.parse(line);
    const query = encodeURIComponent(JSON.stringify(set ?? {}));
    const url = `http://127.0.0.1:${server.address().port}/?set=${query}`;
    const response = await fetch(url, { headers: { cookie } });
    const data = await response.json();
    process.stdout.write(JSON.stringify({ cookies: response.headers.getSetCookie(), data }) + "\n");
  }
  process.exit();
}

main(...process.argv.slice(2));
