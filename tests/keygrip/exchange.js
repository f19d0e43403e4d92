// A Node site in a hand: reads requests as lines of JSON, answers each with a line of JSON.
//
// { keys, cookie }         reads the signed cookie "s" out of a Cookie header
// { keys, cookie, value }  writes it
//
// Both answer { value, cookies }: what was read, and the Set-Cookie headers of the response.
"use strict";

const Cookies = require("cookies");
const Keygrip = require("keygrip");
const readline = require("node:readline");

function exchange({ keys, cookie, value }) {
  const headers = {};
  const request = { headers: { cookie }, connection: {} };
  const response = {
    getHeader: (name) => headers[name.toLowerCase()],
    setHeader: (name, lines) => {
      headers[name.toLowerCase()] = lines;
    },
  };
  const cookies = new Cookies(request, response, { keys: new Keygrip(keys, "sha256") });
  if (value !== undefined) {
    cookies.set("s", value, { signed: true });
  } else {
    value = cookies.get("s", { signed: true });
  }
  return { value: value ?? null, cookies: [].concat(headers["set-cookie"] ?? []) };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(exchange(JSON.parse(line))) + "\n");
});
